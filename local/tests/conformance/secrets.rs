//! Secrets Manager.

use aws_sdk_secretsmanager::Client;

use crate::served::{Served, code};

#[tokio::test]
async fn a_secret_has_a_current_and_a_previous_value() {
    let served = Served::start().await;
    let client = Client::new(&served.config());
    client.create_secret().name("tenantry/local/accounts").secret_string("one").send().await.unwrap();
    served.cloud.secrets().put("tenantry/local/accounts", "two").await.unwrap();
    let read = |stage: &str| {
        client.get_secret_value().secret_id("tenantry/local/accounts").version_stage(stage).send()
    };
    assert_eq!(read("AWSCURRENT").await.unwrap().secret_string(), Some("two"));
    assert_eq!(read("AWSPREVIOUS").await.unwrap().secret_string(), Some("one"));
    assert_eq!(served.cloud.secrets().get("tenantry/local/accounts").await.unwrap(), "two");
    let missing = client.get_secret_value().secret_id("none").send().await;
    assert_eq!(code(missing), "ResourceNotFoundException");
}
