//! What was acknowledged is there after `kill -9`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use aws_sdk_route53::types::{ChangeAction, RrType};
use serde_json::Map;

use crate::dynamodb::{TABLE, properties, put};
use crate::route53::{batch, record};
use crate::served::Served;

/// So many rounds are acknowledged before the writer is killed.
const ROUNDS: usize = 40;

/// One item, message, DNS record, identity and object a round; each round is written out once it was acknowledged.
#[tokio::test]
#[ignore = "the process that is killed"]
#[allow(clippy::print_stdout, reason = "how it tells what was acknowledged")]
async fn write_until_killed() {
    let mut folder = String::new();
    std::io::stdin().read_line(&mut folder).unwrap();
    if folder.is_empty() {
        return;
    }
    let served = Served::on(&PathBuf::from(folder.trim())).await;
    served.cloud.dynamodb().create_table(&properties()).unwrap();
    served.cloud.sqs().create_queue("q", &Map::new()).unwrap();
    served.cloud.route53().create_zone("Z1", "shop.example").unwrap();
    served.cloud.s3().create_bucket("bucket").await.unwrap();
    let config = served.config();
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let sqs = aws_sdk_sqs::Client::new(&config);
    let route53 = aws_sdk_route53::Client::new(&config);
    let ses = aws_sdk_ses::Client::new(&config);
    let s3 = aws_sdk_s3::Client::new(&config);
    for round in 0.. {
        put(&dynamodb, "round", &format!("{round:06}")).send().await.unwrap();
        let send = sqs.send_message().queue_url(served.cloud.sqs().url("q"));
        send.message_body(round.to_string()).send().await.unwrap();
        let set = record(&format!("n{round}.shop.example"), RrType::A, &["203.0.113.1"]);
        let change = route53.change_resource_record_sets().hosted_zone_id("Z1");
        change.change_batch(batch(vec![(ChangeAction::Create, set)])).send().await.unwrap();
        ses.verify_domain_identity().domain(format!("n{round}.shop.example")).send().await.unwrap();
        s3.put_object().bucket("bucket").key(round.to_string()).send().await.unwrap();
        println!("acknowledged {round}");
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "durability::write_until_killed", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(writer.stdin.take().unwrap(), "{}", folder.path().display()).unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let acknowledged =
        lines.map_while(Result::ok).filter(|line| line.contains("acknowledged")).take(ROUNDS).count();
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert_eq!(acknowledged, ROUNDS);

    let served = Served::on(folder.path()).await;
    let cloud = &served.cloud;
    let at_least = |what: &str, found: usize| assert!(found >= ROUNDS, "{what}: {found}");
    at_least("items", cloud.dynamodb().items(TABLE).unwrap().len());
    at_least("stream records", cloud.dynamodb().records(TABLE, None, 1_000).unwrap().len());
    at_least("messages", cloud.sqs().peek("q").unwrap().len());
    at_least("records", cloud.route53().records("Z1").len() - 2);
    at_least("identities", cloud.ses().identities().len());
    at_least("objects", cloud.s3().objects("bucket").await.len());
}
