//! Who gets which answer: every route called as nobody, as a stranger and as each role, one golden line a route.

use serde_json::Value;
use tests::catalog::Catalog;
use tests::tree;

use crate::cast::{Cast, call};
use crate::description::Description;

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_each_caller_as_recorded() {
    let cast = Cast::assemble().await;
    let description = Description::read();
    let catalog = Catalog::read();
    let mut routes = catalog.routes();
    // What ends a thing comes after what needs it: first reads and writes, then deletions, then the end of the sessions.
    routes.sort_by_key(|(function, method, path)| {
        (function.name == "log_out", *method == "DELETE", *path, *method)
    });

    let mut lines = Vec::new();
    let mut faults = Vec::new();
    for (function, method, route) in routes {
        let sample: Value = serde_json::from_str(&tree::read(&function.sample())).unwrap();
        let path = cast.path(route, &sample);
        // What was used long ago is refused; the samples' day becomes a day long ago.
        let now = cast.stack.now().to_string();
        let body = sample["body"].as_str().map(|body| body.replace("2026-11-21T03:40:00.000Z", &now));
        let body = body.map(|body| serde_json::from_str::<Value>(&body).unwrap());
        let mut line = format!("{method:<6} {route:<42}");
        for (name, client) in &cast.people {
            let answer = call(client, method, &path, body.as_ref()).await;
            let code = if answer.status < 400 { String::new() } else { code(&answer.json()) };
            line.push_str(&format!(" {:<34}", format!("{name} {}{code}", answer.status)));
            faults
                .extend(description.fault(method, route, &answer).map(|fault| format!("as {name}, {fault}")));
            // What one caller has begun is over before the next one calls.
            cast.stack.settle().await;
        }
        lines.push(line.trim_end().to_owned());
    }
    assert!(faults.is_empty(), "answers that openapi.json does not promise:\n{}", faults.join("\n"));

    lines.sort_by_key(|line| line.split_whitespace().nth(1).map(str::to_owned));
    tree::keep("tests/golden/access.txt", &format!("{}\n", lines.join("\n")));
}

fn code(problem: &Value) -> String {
    problem["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default()
}
