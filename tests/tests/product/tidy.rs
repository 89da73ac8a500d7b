//! The tree keeps its own rules: what every function, queue, template and page must have.

use std::collections::{BTreeMap, BTreeSet};

use local::template::yaml::Node;
use tests::catalog::{self, Catalog, Trigger, section, text};
use tests::{events, pages, tree};

/// Longest file of a function and of anything else, in lines.
const LONGEST_FUNCTION: usize = 120;
const LONGEST_MODULE: usize = 600;

fn complain(about: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{about}:\n  {}", faults.join("\n  "));
}

#[test]
fn every_function_is_declared_everywhere_by_one_name() {
    let catalog = Catalog::read();
    for area in tree::areas() {
        let declared: BTreeSet<String> = catalog
            .functions
            .values()
            .filter(|function| function.area == area)
            .map(|function| function.name.clone())
            .collect();
        let files: BTreeSet<String> = tree::list(&format!("functions/{area}/src/bin"))
            .iter()
            .map(|file| file.trim_end_matches(".rs").to_owned())
            .collect();
        let manifest = tree::read(&format!("functions/{area}/Cargo.toml"));
        let binaries: BTreeSet<String> = manifest
            .lines()
            .filter_map(|line| line.trim().strip_prefix("{ name = \"")?.split('"').next())
            .map(str::to_owned)
            .collect();
        assert_eq!(files, declared, "functions/{area}: src/bin against template.yaml");
        assert_eq!(files, binaries, "functions/{area}: src/bin against Cargo.toml");
    }
    for function in catalog.functions.values() {
        let words: String = function.name.split('_').map(capitalised).collect();
        assert_eq!(function.logical_id, words, "{}'s logical id", function.name);
        assert!(!function.triggers.is_empty(), "nothing starts {}", function.name);
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[test]
fn a_functions_first_line_names_its_trigger() {
    let mut faults = Vec::new();
    for function in Catalog::read().functions.values() {
        let headline = function.headline();
        let (starts, effect) = headline.split_once(": ").unwrap_or_default();
        let named = |trigger: &Trigger| starts.starts_with(&format!("{}`{trigger}`", trigger.kind()));
        if effect.is_empty() || !function.triggers.iter().any(named) {
            let first = &function.triggers[0];
            faults.push(format!("{}: should begin with //! {}`{first}`: …", function.file(), first.kind()));
        }
    }
    complain("first lines that do not say what starts the function", &faults);
}

#[test]
fn every_function_has_a_sample_event() {
    let mut faults = Vec::new();
    let functions = Catalog::read().functions;
    for function in functions.values() {
        match tree::exists(&function.sample()).then(|| tree::read(&function.sample())) {
            None => faults.push(format!("{} is missing", function.sample())),
            Some(sample) => {
                if let Err(error) = serde_json::from_str::<serde_json::Value>(&sample) {
                    faults.push(format!("{}: {error}", function.sample()));
                }
            }
        }
    }
    for file in tree::below("events", ".json") {
        if !functions.values().any(|function| function.sample() == file) {
            faults.push(format!("{file} is no function's sample"));
        }
    }
    complain("sample events", &faults);
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut faults = Vec::new();
    for file in tree::rust_files() {
        let source = tree::read(&file);
        let lines = source.lines().count();
        let most = if file.starts_with("functions/") && file.contains("/src/bin/") {
            LONGEST_FUNCTION
        } else {
            LONGEST_MODULE
        };
        if lines > most {
            faults.push(format!("{file} has {lines} lines; at most {most}"));
        }
        if !source.starts_with("//! ") {
            faults.push(format!("{file} does not open with //!"));
        }
    }
    complain("files", &faults);
}

#[test]
fn nothing_is_left_open_and_no_test_sleeps() {
    // Written apart, so that this file does not find itself.
    let open =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimplemented", "!(")];
    let asleep = [concat!("thread::", "sleep"), concat!("time::", "sleep"), concat!("#[", "ignore]")];
    let mut faults = Vec::new();
    let texts = ["yaml", "md"].iter().flat_map(|ending| {
        ["docs", "functions", "front"].iter().flat_map(move |top| tree::below(top, &format!(".{ending}")))
    });
    for file in tree::rust_files().into_iter().chain(texts) {
        let in_test = file.contains("/tests/");
        for (number, line) in tree::read(&file).lines().enumerate() {
            if open.iter().any(|word| line.contains(word))
                || in_test && asleep.iter().any(|word| line.contains(word))
            {
                faults.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    complain("left open, or asleep", &faults);
}

#[test]
fn every_queue_has_dead_letters_and_a_runbook() {
    let catalog = Catalog::read();
    let runbooks: String = tree::below("docs/runbooks", ".md").iter().map(|file| tree::read(file)).collect();
    let mut faults = Vec::new();
    for queue in catalog.queues.iter().filter(|queue| !queue.name.ends_with("dead-letters")) {
        let dead = queue.dead_letters.as_ref().and_then(|id| {
            catalog.queues.iter().find(|other| other.area == queue.area && other.logical_id == *id)
        });
        if dead.is_none_or(|dead| dead.name != format!("{}-dead-letters", queue.name)) {
            faults.push(format!("{}: no dead-letter queue {}-dead-letters", queue.name, queue.name));
        }
        if !["", "-dead-letters"].iter().any(|end| runbooks.contains(&format!("`{}{end}`", queue.name))) {
            faults.push(format!("{}: no file in docs/runbooks names `{}`", queue.name, queue.name));
        }
    }
    complain("queues", &faults);
}

#[test]
fn every_alarm_names_its_runbook() {
    let mut faults = Vec::new();
    for alarm in Catalog::read().alarms {
        let runbook = alarm
            .description
            .split_whitespace()
            .map(|word| word.trim_end_matches(['.', ',', ')']).trim_start_matches('('))
            .find(|word| word.starts_with("docs/runbooks/"));
        if !runbook.is_some_and(tree::exists) {
            faults.push(format!(
                "{} of {}: the description names no file of docs/runbooks",
                alarm.logical_id, alarm.area
            ));
        }
    }
    complain("alarms", &faults);
}

#[test]
fn a_right_to_everything_says_why() {
    let mut faults = Vec::new();
    for area in tree::areas() {
        let file = format!("functions/{area}/template.yaml");
        let template = tree::read(&file);
        let lines: Vec<&str> = template.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let everything = ["'*'", "\"*\""].iter().any(|star| line.contains(star));
            let resource = line.contains("Resource:") || line.starts_with("- '*'");
            // The comment stands above the statement, which begins with its effect.
            let statement = lines[..at].iter().rposition(|line| line.starts_with("- Effect:")).unwrap_or(0);
            let explained = statement > 0 && lines[statement - 1].starts_with('#');
            if everything && resource && !explained {
                faults.push(format!("{file}:{}: {line}", at + 1));
            }
        }
    }
    complain("`*` as a resource without a comment above the statement", &faults);
}

#[test]
fn every_route_is_reached_through_the_front_door() {
    let root = catalog::template("template.yaml");
    let resources = section(&root, "Resources");
    let config = resources["Front"]
        .get("Properties")
        .and_then(|properties| properties.get("DistributionConfig"))
        .unwrap();
    let target = |behaviour: &Node| text(behaviour.get("TargetOriginId"));
    let behaviours: Vec<(String, String)> = config
        .get("CacheBehaviors")
        .unwrap()
        .items()
        .unwrap()
        .iter()
        .map(|behaviour| (text(behaviour.get("PathPattern")), target(behaviour)))
        .collect();
    let default = target(config.get("DefaultCacheBehavior").unwrap());

    let catalog = Catalog::read();
    let mut used = BTreeSet::new();
    for (function, method, path) in catalog.routes() {
        // CloudFront takes the first pattern that fits.
        let first = behaviours.iter().find(|(pattern, _)| match pattern.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == pattern,
        });
        let area = first.map_or(&default, |(_, area)| area);
        assert_eq!(*area, function.area, "template.yaml, Front: {method} {path} reaches the wrong area");
        used.extend(first.map(|(pattern, _)| pattern.clone()));
    }
    for (pattern, _) in &behaviours {
        assert!(used.contains(pattern), "template.yaml, Front: no route has the pattern {pattern}");
    }
}

#[test]
fn every_rule_wants_events_that_exist() {
    let types = events::all();
    let mut faults = Vec::new();
    for consumer in pages::consumers(&Catalog::read()) {
        for wanted in consumer.wants {
            let ours = tree::areas().iter().any(|area| wanted.starts_with(&format!("{area}.")));
            if ours && !types.contains_key(&wanted) {
                faults.push(format!("{} waits for {wanted}", consumer.function));
            }
        }
    }
    complain("events that nothing declares", &faults);
}

#[test]
fn events_are_named_by_area_and_past_verb() {
    for (name, event) in events::all() {
        let area = event.file.trim_start_matches("shared/domain/src/").split('/').next().unwrap();
        let (of, what) = name.split_once('.').unwrap_or_default();
        assert_eq!(of, area, "{name} is declared in {}", event.file);
        assert!(
            what.contains('_') && what.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'),
            "{name}"
        );
        assert!(!event.meaning.is_empty(), "{name} does not say what it means");
    }
}

#[test]
fn the_generated_pages_are_up_to_date() {
    let catalog = Catalog::read();
    tree::keep("docs/functions.md", &pages::functions(&catalog));
    tree::keep("docs/events.md", &pages::events(&catalog, &events::all()));
}

#[test]
fn links_in_the_docs_lead_somewhere() {
    let top = tree::list(".").into_iter().filter(|name| name.ends_with(".md"));
    let mut faults = Vec::new();
    for file in top.chain(tree::below("docs", ".md")) {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in tree::read(&file).split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !tree::exists(&format!("./{folder}/{target}"))
            {
                faults.push(format!("{file}: {target}"));
            }
        }
    }
    complain("links to nothing", &faults);
}

#[test]
fn every_decision_is_in_the_index_and_numbered_once() {
    let index = tree::read("docs/decisions/README.md");
    let mut numbers: BTreeMap<String, String> = BTreeMap::new();
    for file in tree::list("docs/decisions").into_iter().filter(|file| file != "README.md") {
        assert!(index.contains(&format!("({file})")), "docs/decisions/README.md lacks {file}");
        let number = file.split('-').next().unwrap().to_owned();
        let twice = numbers.insert(number.clone(), file);
        assert!(twice.is_none(), "two decisions are numbered {number}");
    }
}
