//! The catalogue: what there is to buy, and what a change of plan would mean.

use local::Stack;
use serde_json::json;

use crate::refused;

#[tokio::test]
async fn anybody_sees_the_plans() {
    let stack = Stack::start().await;
    let nobody = stack.client();
    let all = nobody.get("/v1/plans").await.ok();
    assert_eq!(all["products"].as_array().unwrap().len(), 5);
    let hosting = nobody.get("/v1/plans?product=hosting").await.ok();
    let plans = hosting["products"][0]["plans"].as_array().unwrap();
    let names: Vec<&str> = plans.iter().map(|plan| plan["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["trial", "launch", "growth", "scale"]);
    assert_eq!(plans[3]["limits"]["sites"], "unlimited", "no big number stands for it");
    let launch = &plans[1]["prices"][0];
    assert_eq!((&launch["minor"], &launch["currency"]), (&json!(29_900), &json!("usd")));
    assert_eq!(refused(nobody.get("/v1/plans?product=rockets")).await, (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_comparison_tells_gains_and_losses() {
    let stack = Stack::start().await;
    let nobody = stack.client();
    let path = "/v1/plans/compare?product=hosting";
    let up = nobody.get(&format!("{path}&from=trial&to=scale")).await.ok();
    let of = |name: &str| {
        let all = up["differences"].as_array().unwrap();
        all.iter().find(|difference| difference["name"] == name).unwrap().clone()
    };
    insta::assert_json_snapshot!(of("sites"), @r#"
    {
      "change": "gain",
      "from": 1,
      "name": "sites",
      "to": "unlimited"
    }
    "#);
    assert_eq!(
        of("dedicated_host"),
        json!({"name": "dedicated_host", "from": false, "to": true, "change": "gain"})
    );
    let down = nobody.get(&format!("{path}&from=scale&to=launch")).await.ok();
    let losses = down["differences"].as_array().unwrap();
    assert!(losses.iter().all(|difference| difference["change"] != "gain"), "{down}");
    assert_eq!(refused(nobody.get(&format!("{path}&from=trial&to=moon"))).await.0, 404);
    assert_eq!(refused(nobody.get(path)).await.0, 422);
}
