//! Secrets from Secrets Manager: one JSON secret per area.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_types::SdkConfig;
use serde::de::DeserializeOwned;

use crate::clock::Stopwatch;
use crate::{Error, Result, config};

/// How long a secret is kept before it is read again.
const KEPT: Duration = Duration::from_secs(300);

type Parsed = Arc<dyn Any + Send + Sync>;

/// The secrets that this process has read.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    read: Mutex<HashMap<(String, TypeId), (Stopwatch, Parsed)>>,
}

impl Secrets {
    pub(crate) async fn get<T>(&self, aws: &SdkConfig, variable: &str) -> Result<Arc<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let id = config::required(variable)?;
        let slot = (id.clone(), TypeId::of::<T>());
        if let Some(secret) = self.fresh(&slot) {
            return Ok(secret);
        }
        let call = aws_sdk_secretsmanager::Client::new(aws).get_secret_value().secret_id(&id);
        let answer = call.send().await.map_err(|error| Error::aws("secretsmanager", error))?;
        let text = answer.secret_string().unwrap_or_default();
        // The parser's message would quote the secret.
        let shape = || Error::internal(format!("the secret in {variable} has not the shape that is wanted"));
        let secret: Arc<T> = Arc::new(serde_json::from_str(text).map_err(|_| shape())?);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(slot, (Stopwatch::start(), secret.clone()));
        Ok(secret)
    }

    fn fresh<T: Send + Sync + 'static>(&self, slot: &(String, TypeId)) -> Option<Arc<T>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (watch, secret) = read.get(slot)?;
        if watch.elapsed() < KEPT { secret.clone().downcast().ok() } else { None }
    }
}
