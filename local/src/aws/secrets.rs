//! Secrets Manager: rustack's, in memory; the stack puts its secrets back at every start.

use std::sync::Arc;

use http::HeaderMap;
use http_body_util::BodyExt as _;
use rustack_secretsmanager_core::config::SecretsManagerConfig;
use rustack_secretsmanager_core::handler::RustackSecretsManagerHandler;
use rustack_secretsmanager_core::provider::RustackSecretsManager;
use rustack_secretsmanager_http::dispatch::dispatch_operation;
use rustack_secretsmanager_http::response::error_to_response;
use rustack_secretsmanager_http::router::resolve_operation;
use serde_json::{Value, json};

use super::answer::AwsError;
use super::rights::Needed;

/// Secrets Manager.
pub struct Secrets {
    handler: RustackSecretsManagerHandler,
    region: String,
    account: String,
}

impl Secrets {
    pub(super) fn new(region: &str, account: &str) -> Self {
        let config = SecretsManagerConfig {
            default_region: region.to_owned(),
            default_account_id: account.to_owned(),
            ..SecretsManagerConfig::default()
        };
        let provider = Arc::new(RustackSecretsManager::new(config));
        let handler = RustackSecretsManagerHandler::new(provider);
        Self { handler, region: region.to_owned(), account: account.to_owned() }
    }

    pub(super) fn needs(&self, operation: &str, input: &Value) -> Vec<Needed> {
        let secret = input["SecretId"].as_str().or_else(|| input["Name"].as_str());
        let resource = match secret {
            Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
            // AWS appends six random characters to a secret's name in its ARN; policies write `-??????` or `-*`.
            Some(name) => {
                format!("arn:aws:secretsmanager:{}:{}:secret:{name}-Aa1Bb2", self.region, self.account)
            }
            None => "*".to_owned(),
        };
        vec![Needed::new(format!("secretsmanager:{operation}"), resource)]
    }

    /// Plays one operation.
    ///
    /// # Errors
    /// As Secrets Manager refuses.
    pub async fn call(&self, operation: &str, input: &Value) -> Result<Value, AwsError> {
        let mut headers = HeaderMap::new();
        let target = format!("secretsmanager.{operation}");
        headers.insert("x-amz-target", target.parse().map_err(AwsError::internal)?);
        let outcome = match resolve_operation(&headers) {
            Ok(operation) => dispatch_operation(&self.handler, operation, input.to_string().into()).await,
            Err(error) => Err(error),
        };
        let response = outcome.unwrap_or_else(|error| error_to_response(&error, ""));
        let status = response.status();
        let body = response.into_body().collect().await.map_err(AwsError::internal)?.to_bytes();
        AwsError::of_json(status, &body)
    }

    /// Makes a secret, or gives the one that is there this value; its ARN.
    ///
    /// # Errors
    /// When the name is not valid.
    pub async fn put(&self, name: &str, value: &str) -> Result<String, AwsError> {
        let answer = match self.call("CreateSecret", &json!({"Name": name, "SecretString": value})).await {
            Err(error) if error.code == "ResourceExistsException" => {
                self.call("PutSecretValue", &json!({"SecretId": name, "SecretString": value})).await?
            }
            outcome => outcome?,
        };
        Ok(answer["ARN"].as_str().unwrap_or_default().to_owned())
    }

    /// The current value of a secret.
    ///
    /// # Errors
    /// When there is no such secret.
    pub async fn get(&self, name: &str) -> Result<String, AwsError> {
        let answer = self.call("GetSecretValue", &json!({"SecretId": name})).await?;
        Ok(answer["SecretString"].as_str().unwrap_or_default().to_owned())
    }
}
