//! Rights: a function may do what its template says, and is told what it may not.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use local::aws::{Principal, Statement};
use serde_json::{Value, json};

use crate::dynamodb::{TABLE, key, n, put, s, table};
use crate::dynamodb_items::{addition, creation};
use crate::served::{Served, code};

const TABLE_ARN: &str = "arn:aws:dynamodb:eu-west-1:000000000000:table/things";

fn function(served: &Served, statements: &Value) -> aws_config::SdkConfig {
    let statements = Statement::parse_policy(statements).unwrap();
    let principal = Principal { function: "sign_up".to_owned(), pid: Default::default(), statements };
    served.cloud.principals().set("AKIASIGNUP", principal);
    served.config_of(Credentials::new("AKIASIGNUP", "secret", None, None, "function"))
}

#[tokio::test]
async fn a_function_does_what_its_policy_lists() {
    let (served, _) = table().await;
    let policy =
        json!({"Effect": "Allow", "Action": ["dynamodb:PutItem", "dynamodb:Query"], "Resource": TABLE_ARN});
    let client = Client::new(&function(&served, &policy));
    put(&client, "a", "1").send().await.unwrap();
    let refused = client.get_item().table_name(TABLE).set_key(Some(key("a", "1"))).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    let told = refused.message().unwrap();
    for part in ["sign_up", "dynamodb:GetItem", TABLE_ARN] {
        assert!(told.contains(part), "{told}");
    }
    let query = client.query().table_name(TABLE).key_condition_expression("pk = :p");
    query.clone().expression_attribute_values(":p", s("a")).send().await.unwrap();
    // The index is a resource of its own.
    let query = query.index_name("gsi1").key_condition_expression("gsi1pk = :p");
    assert_eq!(code(query.expression_attribute_values(":p", n(1)).send().await), "AccessDeniedException");
}

#[tokio::test]
async fn a_transaction_needs_the_right_to_each_of_its_parts() {
    let (served, _) = table().await;
    let policy = json!({"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": TABLE_ARN});
    let client = Client::new(&function(&served, &policy));
    let write = |items| client.transact_write_items().set_transact_items(Some(items)).send();
    write(vec![creation("t", "1")]).await.unwrap();
    assert_eq!(code(write(vec![creation("t", "2"), addition("t", "3")]).await), "AccessDeniedException");
    assert_eq!(served.cloud.dynamodb().items(TABLE).unwrap().len(), 1);
}

#[tokio::test]
async fn every_service_refuses_in_its_own_words() {
    let served = Served::start().await;
    let policy = json!({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:eu-west-1:000000000000:mine"});
    let config = function(&served, &policy);
    for queue in ["mine", "other"] {
        served.cloud.sqs().create_queue(queue, &serde_json::Map::new()).unwrap();
    }
    let sqs = aws_sdk_sqs::Client::new(&config);
    let send =
        |queue: &str| sqs.send_message().queue_url(served.cloud.sqs().url(queue)).message_body("m").send();
    send("mine").await.unwrap();
    assert_eq!(code(send("other").await), "AccessDenied");
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    assert_eq!(code(secrets.get_secret_value().secret_id("a").send().await), "AccessDeniedException");
    let route53 = aws_sdk_route53::Client::new(&config);
    assert_eq!(code(route53.list_hosted_zones().send().await), "AccessDenied");
    let ses = aws_sdk_ses::Client::new(&config);
    assert_eq!(code(ses.list_identities().send().await), "AccessDenied");
    let s3 = aws_sdk_s3::Client::new(&config);
    assert_eq!(code(s3.list_buckets().send().await), "AccessDenied");
    let sts = aws_sdk_sts::Client::new(&config);
    assert_eq!(
        code(
            sts.assume_role()
                .role_arn("arn:aws:iam::000000000000:role/r")
                .role_session_name("xx")
                .send()
                .await
        ),
        "AccessDenied"
    );
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.arn(), Some("arn:aws:sts::000000000000:assumed-role/sign_up/sign_up"));
    let events = aws_sdk_eventbridge::Client::new(&config);
    let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder()
        .source("a")
        .detail_type("b")
        .detail("{}");
    assert_eq!(code(events.put_events().entries(entry.build()).send().await), "AccessDeniedException");
    let refused = served.cloud.calls().of("sign_up").iter().filter(|called| called.status >= 400).count();
    assert_eq!(refused, 7);
}

#[tokio::test]
async fn secrets_are_named_with_their_random_ending() {
    let served = Served::start().await;
    served.cloud.secrets().put("tenantry/local/accounts", "v").await.unwrap();
    let resource = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:tenantry/local/accounts-??????";
    let policy = json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": resource});
    let secrets = aws_sdk_secretsmanager::Client::new(&function(&served, &policy));
    secrets.get_secret_value().secret_id("tenantry/local/accounts").send().await.unwrap();
    assert_eq!(
        code(secrets.get_secret_value().secret_id("tenantry/local/platform").send().await),
        "AccessDeniedException"
    );
}
