//! The generated pages: `docs/functions.md` and `docs/events.md`.

use std::collections::BTreeMap;
use std::fmt::Write;

use local::template::yaml::{Data, Node};

use crate::catalog::{Catalog, Trigger, reference, section, text};
use crate::events::EventType;
use crate::tree;

const NOTICE: &str = "Generated from the templates and the source; `UPDATE_GOLDEN=1 cargo test --workspace --test product` rewrites it.";

/// A consumer of events: a rule of the bus and the queue and function behind it.
#[derive(Debug, Clone)]
pub struct Consumer {
    /// The detail-types that its rule wants.
    pub wants: Vec<String>,
    /// The function that reads the queue.
    pub function: String,
}

/// `docs/functions.md`: every function, what starts it and what it does.
#[must_use]
pub fn functions(catalog: &Catalog) -> String {
    let mut page = format!("# Functions\n\n{NOTICE}\n");
    for area in tree::areas() {
        let _ = write!(page, "\n## {area}\n\n| function | trigger | what it does |\n|---|---|---|\n");
        let mut rows: Vec<_> = catalog.functions.values().filter(|function| function.area == area).collect();
        rows.sort_by_key(|function| (function.triggers.first().map(Trigger::kind), &function.name));
        for function in rows {
            let triggers: Vec<String> =
                function.triggers.iter().map(|trigger| format!("{}`{trigger}`", trigger.kind())).collect();
            let headline = function.headline();
            let effect = headline.split_once(": ").map_or(headline.as_str(), |(_, effect)| effect);
            let _ = writeln!(
                page,
                "| [{}](../{}) | {} | {} |",
                function.name,
                function.file(),
                triggers.join("<br>"),
                effect.replace('|', "\\|")
            );
        }
    }
    page
}

/// `docs/events.md`: every event type, its fields and who consumes it.
#[must_use]
pub fn events(catalog: &Catalog, types: &BTreeMap<String, EventType>) -> String {
    let consumers = consumers(catalog);
    let mut page = format!("# Events\n\n{NOTICE}\n\n");
    page.push_str(
        "On the bus an event's source is `tenantry.<area>` and its detail-type is the name below; the detail is the envelope\n\
         `{id, type, v, org, at, actor, request_id, data}` with these fields as `data`. Types that no rule wants stay inside their\n\
         area's queues or wait for a consumer.\n",
    );
    for event in types.values() {
        let _ = write!(page, "\n## `{}`\n\n{}", event.name, event.meaning);
        let _ =
            writeln!(page, " Version {}, from [{}](../{}).", event.version, short(&event.file), event.file);
        let readers: Vec<String> = consumers
            .iter()
            .filter(|consumer| consumer.wants.contains(&event.name))
            .map(|consumer| format!("`{}`", consumer.function))
            .collect();
        if !readers.is_empty() {
            let _ = write!(page, "\nConsumed by {}.\n", readers.join(", "));
        }
        let _ = write!(page, "\n| field | type | meaning |\n|---|---|---|\n");
        for field in &event.fields {
            let _ = writeln!(
                page,
                "| {} | `{}` | {} |",
                field.name,
                field.kind,
                field.meaning.replace('|', "\\|")
            );
        }
    }
    page
}

/// Every rule on the bus with the function behind its queue.
#[must_use]
pub fn consumers(catalog: &Catalog) -> Vec<Consumer> {
    let mut found = Vec::new();
    for (area, template) in &catalog.templates {
        for (id, resource) in section(template, "Resources") {
            if text(resource.get("Type")) != "AWS::Events::Rule" {
                continue;
            }
            let Some(properties) = resource.get("Properties") else { continue };
            let wants = properties
                .get("EventPattern")
                .and_then(|pattern| pattern.get("detail-type"))
                .map(strings)
                .unwrap_or_default();
            let targets = properties.get("Targets").map(list).unwrap_or_default();
            let queues: Vec<String> =
                targets.iter().filter_map(|target| target.get("Arn")).map(reference).collect();
            for queue in catalog
                .queues
                .iter()
                .filter(|queue| queue.area == *area && queues.contains(&queue.logical_id))
            {
                let reader = catalog
                    .functions
                    .values()
                    .find(|function| function.triggers.contains(&Trigger::Queue(queue.name.clone())));
                let function =
                    reader.map_or_else(|| format!("nobody ({id})"), |function| function.name.clone());
                found.push(Consumer { wants: wants.clone(), function });
            }
        }
    }
    found
}

fn short(file: &str) -> &str {
    file.trim_start_matches("shared/domain/src/")
}

fn list(node: &Node) -> &[Node] {
    match &node.data {
        Data::List(items) => items,
        _ => &[],
    }
}

fn strings(node: &Node) -> Vec<String> {
    list(node).iter().map(|item| text(Some(item))).collect()
}
