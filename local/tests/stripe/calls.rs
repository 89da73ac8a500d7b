//! The calls themselves: keys, versions, strict parameters, idempotency, lists, expansion, faults, durability.

use http::Method;
use local::aws::When;
use serde_json::json;

use crate::served::{Served, id};

#[tokio::test]
async fn only_the_right_key_and_version_are_taken() {
    let served = Served::start().await;
    let wrong = [("authorization", "Bearer sk_test_other")];
    assert_eq!(served.send(Method::GET, "/v1/customers", "", &wrong).await.status, 401);
    let version = [("stripe-version", "2025-03-31.basil")];
    let refused = served.send(Method::GET, "/v1/customers", "", &version).await;
    assert_eq!(refused.status, 400);
    let version = [("stripe-version", local::stripe::VERSION)];
    served.send(Method::GET, "/v1/customers", "", &version).await.ok();
    let json = [("content-type", "application/json")];
    assert_eq!(served.send(Method::POST, "/v1/customers", "{}", &json).await.status, 400);
    assert_eq!(served.send(Method::GET, "/v1/nothing", "", &[]).await.status, 404);
}

#[tokio::test]
async fn parameters_are_read_strictly() {
    let served = Served::start().await;
    for (path, form, status, code) in [
        ("/v1/customers", vec![("colour", "red")], 400, "parameter_unknown"),
        ("/v1/customers", vec![("address[planet]", "Mars")], 400, "parameter_unknown"),
        ("/v1/customers", vec![("email", "nobody")], 400, "email_invalid"),
        ("/v1/prices", vec![("unit_amount", "5")], 400, "parameter_missing"),
        (
            "/v1/subscriptions",
            vec![("customer", "cus_no"), ("items[0][price]", "p")],
            400,
            "resource_missing",
        ),
        ("/v1/customers/cus_no", vec![], 404, "resource_missing"),
        (
            "/v1/checkout/sessions",
            vec![("mode", "subscription"), ("payment_method_types[0]", "card")],
            400,
            "payment_method_types_no_longer_supported",
        ),
    ] {
        let answer = served.try_post(path, &form).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{path} {form:?}");
    }
    assert!(served.stripe.objects("customer").is_empty());
}

#[tokio::test]
async fn a_key_makes_a_call_once() {
    let served = Served::start().await;
    let form = [("email", "anna@example.com"), ("metadata[org]", "org_1")];
    let first = served.keyed("k1", "/v1/customers", &form).await;
    assert_eq!(first.header("idempotent-replayed"), "");
    let again = served.keyed("k1", "/v1/customers", &form).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(id(&first.ok()), id(&again.ok()));
    let other = served.keyed("k1", "/v1/customers", &[("email", "b@example.com")]).await;
    assert_eq!(other.status, 400);
    assert_eq!(other.body["error"]["type"], "idempotency_error");
    // What failed validation may be corrected under the same key.
    assert_eq!(served.keyed("k2", "/v1/customers", &[("colour", "red")]).await.status, 400);
    assert_eq!(served.keyed("k2", "/v1/customers", &form).await.status, 200);
    served.advance(86_401).await;
    let new = served.keyed("k1", "/v1/customers", &[("email", "b@example.com")]).await;
    assert_eq!((new.status, new.header("idempotent-replayed")), (200, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_with_one_key_exclude_each_other() {
    let served = Served::start().await;
    let first = served.cloud.faults().on("root", "stripe", "POST /v1/customers").hold();
    let form = [("email", "anna@example.com")];
    let (one, other) = tokio::join!(served.keyed("k", "/v1/customers", &form), async {
        first.reached().await;
        let other = served.keyed("k", "/v1/customers", &form).await;
        first.let_go();
        other
    });
    assert_eq!((one.status, other.status), (200, 409));
    assert_eq!(served.stripe.objects("customer").len(), 1);
}

#[tokio::test]
async fn ordered_faults_do_what_they_say() {
    let served = Served::start().await;
    let faults = served.cloud.faults();
    let caller = r#"{"application":{"name":"tenantry"},"function":"create_checkout","instance":"AKIA1"}"#;
    let call = async |key: &str| {
        let headers = [("idempotency-key", key), ("x-stripe-client-user-agent", caller)];
        served.send(Method::POST, "/v1/customers", "name=Anna", &headers).await
    };
    faults.on("create_checkout", "stripe", "POST /v1/customers").fail(503, "");
    assert_eq!(call("a").await.status, 503);
    assert_eq!(call("a").await.status, 200, "503 is not remembered");
    faults.on("create_checkout", "stripe", "POST /v1/customers").fail(500, "");
    assert_eq!(call("b").await.status, 500);
    let stored = call("b").await;
    assert_eq!((stored.status, stored.header("idempotent-replayed")), (500, "true"));
    faults.on("create_checkout", "stripe", "*").lose_answer();
    assert_eq!(call("c").await.status, 504);
    let replayed = call("c").await;
    assert_eq!((replayed.status, replayed.header("idempotent-replayed")), (200, "true"));
    faults.on("*", "stripe", "*").throttle();
    let limited = call("d").await;
    assert_eq!((limited.status, limited.code()), (429, "rate_limit"));
    assert_eq!(served.stripe.objects("customer").len(), 2);
    let calls = served.stripe.calls();
    let first = calls.first().unwrap();
    assert_eq!(
        (
            first.function.as_str(),
            first.access_key.as_str(),
            first.operation.as_str(),
            first.request.as_str()
        ),
        ("create_checkout", "AKIA1", "POST /v1/customers", "name=Anna")
    );
}

#[tokio::test]
async fn a_caller_can_die_at_its_nth_call() {
    let served = Served::start().await;
    let killed = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&killed);
    served
        .cloud
        .faults()
        .set_killer(std::sync::Arc::new(move |key: &str| seen.lock().unwrap().push(key.to_owned())));
    let caller = [("x-stripe-client-user-agent", r#"{"function":"create_checkout","instance":"AKIA7"}"#)];
    served.cloud.faults().kill("create_checkout", 1, When::Before);
    served.send(Method::POST, "/v1/customers", "name=Anna", &caller).await;
    assert!(served.stripe.objects("customer").is_empty());
    served.cloud.faults().kill("create_checkout", 1, When::After);
    served.send(Method::POST, "/v1/customers", "name=Anna", &caller).await;
    assert_eq!(served.stripe.objects("customer").len(), 1);
    assert_eq!(*killed.lock().unwrap(), ["AKIA7", "AKIA7"]);
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let served = Served::start().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(id(&served.post("/v1/customers", &[("name", &number.to_string())]).await));
    }
    ids.reverse();
    let of = |page: &serde_json::Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(id).collect()
    };
    let first = served.get("/v1/customers", &[("limit", "2")]).await;
    assert_eq!((of(&first), &first["has_more"]), (ids[..2].to_vec(), &json!(true)));
    let rest = served.get("/v1/customers", &[("limit", "10"), ("starting_after", &ids[1])]).await;
    assert_eq!((of(&rest), &rest["has_more"]), (ids[2..].to_vec(), &json!(false)));
    let before = served.get("/v1/customers", &[("limit", "1"), ("ending_before", &ids[2])]).await;
    assert_eq!((of(&before), &before["has_more"]), (ids[1..2].to_vec(), &json!(true)));
    let found = served.get("/v1/customers/search", &[("query", "name:'3'")]).await;
    assert_eq!(of(&found), [ids[1].clone()]);
    assert_eq!(served.send(Method::GET, "/v1/customers", "limit=500", &[]).await.status, 400);
}

#[tokio::test]
async fn what_is_asked_for_is_expanded() {
    let served = Served::start().await;
    let (subscription, customer) = served.subscription("pm_card_visa", 2_900).await;
    let path = format!("/v1/subscriptions/{subscription}");
    let plain = served.get(&path, &[]).await;
    assert_eq!(plain["customer"], customer.as_str());
    let expanded = served
        .get(
            &path,
            &[
                ("expand[]", "customer"),
                ("expand[]", "latest_invoice.payments.data.payment.payment_intent"),
                ("expand[]", "items.data.price.product"),
            ],
        )
        .await;
    assert_eq!(expanded["customer"]["email"], "anna@example.com");
    let payment = &expanded["latest_invoice"]["payments"]["data"][0];
    assert_eq!(payment["payment"]["payment_intent"]["status"], "succeeded");
    assert_eq!(expanded["items"]["data"][0]["price"]["product"]["name"], "Launch");
    let taxed = served
        .get(&format!("/v1/customers/{customer}"), &[("expand[]", "tax"), ("expand[]", "tax_ids")])
        .await;
    assert_eq!(
        (&taxed["tax"]["automatic_tax"], &taxed["tax"]["location"]["country"]),
        (&json!("supported"), &json!("FR"))
    );
    let wrong = served.send(Method::GET, &path, "expand[]=colour", &[]).await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn what_was_acknowledged_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let (subscription, replay) = {
        let served = Served::on(folder.path()).await;
        let (subscription, _) = served.subscription("pm_card_visa", 2_900).await;
        let replay = served.keyed("k", "/v1/customers", &[("name", "Anna")]).await.ok();
        served.settle().await;
        (subscription, replay)
    };
    let served = Served::on(folder.path()).await;
    assert_eq!(served.object(&subscription)["status"], "active");
    let again = served.keyed("k", "/v1/customers", &[("name", "Anna")]).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.ok(), replay);
    served.advance(31 * 86_400 + 7_200).await;
    assert_eq!(served.latest_invoice(&subscription)["status"], "paid");
    assert_eq!(served.stripe.objects("invoice").len(), 2);
}

#[tokio::test]
async fn the_catalogue_knows_its_lookup_keys() {
    let served = Served::start().await;
    let product = id(&served.post("/v1/products", &[("name", "Hosting"), ("id", "prod_hosting")]).await);
    let price = |amount: &'static str, transfer: &'static str| {
        let product = product.clone();
        async move |served: &Served| {
            let form = [
                ("product", product.as_str()),
                ("currency", "usd"),
                ("unit_amount", amount),
                ("recurring[interval]", "month"),
                ("lookup_key", "hosting_launch_month_usd"),
                ("transfer_lookup_key", transfer),
            ];
            served.try_post("/v1/prices", &form).await
        }
    };
    let old = id(&price("29900", "false")(&served).await.ok());
    assert_eq!(price("39900", "false")(&served).await.status, 400);
    let new = id(&price("39900", "true")(&served).await.ok());
    let found = served.get("/v1/prices", &[("lookup_keys[]", "hosting_launch_month_usd")]).await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["id"], new.as_str());
    assert_eq!(served.object(&old)["lookup_key"], json!(null));
    assert_eq!(served.delete("/v1/products/prod_hosting").await.status, 400);
}
