//! Every crate that is built carries a licence that `deny.toml` allows.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use tests::tree;

#[test]
fn every_dependency_has_an_allowed_licence() {
    let allowed = allowed();
    assert!(allowed.contains("MIT"), "deny.toml's list was not read");
    let mut wrong = Vec::new();
    for package in metadata()["packages"].as_array().unwrap() {
        // Ours say so in the workspace; a crate without an expression would need a look at its files.
        let expression = package["license"].as_str().unwrap_or("none");
        if !satisfied(expression, &allowed) {
            wrong.push(format!("{} {}: {expression}", package["name"], package["version"]));
        }
    }
    assert!(wrong.is_empty(), "not allowed by deny.toml:\n{}", wrong.join("\n"));
}

#[test]
fn areas_depend_on_domain_and_platform_and_not_on_each_other() {
    let areas = tree::areas();
    let ours = ["domain", "platform", "local", "tests"];
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let dependencies = package["dependencies"].as_array().unwrap().iter().map(|dependency| {
            (dependency["name"].as_str().unwrap(), dependency["kind"].as_str().unwrap_or("normal"))
        });
        for (dependency, kind) in dependencies {
            let area = areas.iter().any(|area| area == dependency);
            let fits = match name {
                "domain" => !area && !ours.contains(&dependency),
                "platform" => !area && (!ours.contains(&dependency) || dependency == "domain"),
                _ if areas.iter().any(|area| area == name) => {
                    // An area's tests may start the stack; its functions may not know of it.
                    !area && (dependency != "local" || kind == "dev") && dependency != "tests"
                }
                _ => true,
            };
            assert!(fits, "{name} must not depend on {dependency} ({kind})");
            assert_ne!(dependency, "aws-sdk-ec2", "docs/decisions/0003");
        }
    }
}

/// What was built here: packages of other platforms need not be on this machine.
fn metadata() -> Value {
    let about = String::from_utf8(cargo(&["-vV"])).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata =
        cargo(&["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host]);
    serde_json::from_slice(&metadata).unwrap()
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(tree::root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The quoted names of `allow = [ … ]` in deny.toml.
fn allowed() -> BTreeSet<String> {
    let deny = tree::read("deny.toml");
    let list = deny.split_once("\nallow = [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    list.lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// Whether the allowed licences satisfy an SPDX expression; a slash is the old way to write OR.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.trim();
    if let Some((left, right)) = split(expression, " OR ").or_else(|| split(expression, "/")) {
        return satisfied(left, allowed) || satisfied(right, allowed);
    }
    if let Some((left, right)) = split(expression, " AND ") {
        return satisfied(left, allowed) && satisfied(right, allowed);
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => satisfied(inner, allowed),
        None => allowed.contains(expression),
    }
}

/// Splits at the first such word that is not inside parentheses.
fn split<'text>(expression: &'text str, word: &str) -> Option<(&'text str, &'text str)> {
    expression.match_indices(word).map(|(at, _)| expression.split_at(at)).find_map(|(left, right)| {
        let outside = left.matches('(').count() == left.matches(')').count();
        outside.then(|| (left, &right[word.len()..]))
    })
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned));
    for (expression, fits) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("ISC AND MIT", true),
        ("ISC AND GPL-3.0", false),
        ("ISC AND (MIT OR GPL-3.0)", true),
        ("(GPL-3.0 OR GPL-2.0) AND MIT", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
    ] {
        assert_eq!(satisfied(expression, &allowed), fits, "{expression}");
    }
}
