//! Which function a request is for: API Gateway's rules for the most specific route.

use std::collections::BTreeMap;

use crate::template::Model;
use crate::template::model::{Cors, Route};

/// Every route of every area, on one port.
pub struct Routes {
    entries: Vec<Entry>,
    cors: BTreeMap<String, Cors>,
}

struct Entry {
    route: Route,
    function: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    // The order is the order of preference: what is written out beats a variable, which beats a rest.
    Literal(String),
    Variable(String),
    Rest(String),
}

/// The route that a request takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken<'routes> {
    /// The function's full name.
    pub function: &'routes str,
    /// The API's id.
    pub api: &'routes str,
    /// `GET /v1/hosting/sites/{site}`.
    pub key: String,
    /// The path's variables, decoded.
    pub variables: BTreeMap<String, String>,
}

/// What a path and method lead to.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<'routes> {
    /// A function.
    Found(Taken<'routes>),
    /// The path is known, with these methods.
    OtherMethods(Vec<String>),
    /// Nothing.
    Nothing,
}

impl Routes {
    /// The routes of the model.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let entries = model.routes().map(|(route, function)| Entry {
            route: route.clone(),
            function: function.name.clone(),
            parts: parts(&route.path),
        });
        let cors = model.apis.iter().filter_map(|api| Some((api.id.clone(), api.cors.clone()?)));
        Self { entries: entries.collect(), cors: cors.collect() }
    }

    /// Where a decoded path leads.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Lookup<'_> {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let matching: Vec<(&Entry, BTreeMap<String, String>)> = self
            .entries
            .iter()
            .filter_map(|entry| Some((entry, matches(&entry.parts, &segments)?)))
            .collect();
        let fits = |entry: &Entry| entry.route.method == method || entry.route.method == "ANY";
        let best = matching
            .iter()
            .filter(|(entry, _)| fits(entry))
            .min_by_key(|(entry, _)| (specificity(&entry.parts), entry.route.method == "ANY"));
        if let Some((entry, variables)) = best {
            return Lookup::Found(Taken {
                function: &entry.function,
                api: &entry.route.api,
                key: format!("{} {}", entry.route.method, entry.route.path),
                variables: variables.clone(),
            });
        }
        let mut methods: Vec<String> = matching.iter().map(|(entry, _)| entry.route.method.clone()).collect();
        methods.sort();
        methods.dedup();
        if methods.is_empty() { Lookup::Nothing } else { Lookup::OtherMethods(methods) }
    }

    /// The CORS configuration of the API that owns a path.
    #[must_use]
    pub fn cors(&self, path: &str) -> Option<&Cors> {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let owner = self.entries.iter().find(|entry| matches(&entry.parts, &segments).is_some());
        match owner {
            Some(entry) => self.cors.get(&entry.route.api),
            // A path that no API knows: any of them would answer a preflight in the same way.
            None => self.cors.values().next(),
        }
    }
}

fn parts(path: &str) -> Vec<Part> {
    path.trim_start_matches('/')
        .split('/')
        .map(|part| match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => match name.strip_suffix('+') {
                Some(rest) => Part::Rest(rest.to_owned()),
                None => Part::Variable(name.to_owned()),
            },
            None => Part::Literal(part.to_owned()),
        })
        .collect()
}

fn matches(parts: &[Part], segments: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        match (part, segments.get(index)) {
            (Part::Literal(text), Some(segment)) if text == segment => {}
            (Part::Variable(name), Some(segment)) if !segment.is_empty() => {
                variables.insert(name.clone(), (*segment).to_owned());
            }
            (Part::Rest(name), Some(_)) => {
                variables.insert(name.clone(), segments[index..].join("/"));
                return Some(variables);
            }
            _ => return None,
        }
    }
    (parts.len() == segments.len()).then_some(variables)
}

fn specificity(parts: &[Part]) -> Vec<u8> {
    parts
        .iter()
        .map(|part| match part {
            Part::Literal(_) => 0,
            Part::Variable(_) => 1,
            Part::Rest(_) => 2,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(list: &[(&str, &str)]) -> Routes {
        let entries = list.iter().map(|(method, path)| Entry {
            route: Route { api: "api".into(), method: (*method).into(), path: (*path).into() },
            function: format!("{method} {path}"),
            parts: parts(path),
        });
        Routes { entries: entries.collect(), cors: BTreeMap::new() }
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = routes(&[
            ("GET", "/v1/{rest+}"),
            ("GET", "/v1/sites/{site}"),
            ("GET", "/v1/sites/mine"),
            ("ANY", "/v1/sites/{site}"),
            ("DELETE", "/v1/sites/{site}"),
        ]);
        for (method, path, route) in [
            ("GET", "/v1/sites/mine", "GET /v1/sites/mine"),
            ("GET", "/v1/sites/site_1", "GET /v1/sites/{site}"),
            ("PATCH", "/v1/sites/site_1", "ANY /v1/sites/{site}"),
            ("DELETE", "/v1/sites/site_1", "DELETE /v1/sites/{site}"),
            ("GET", "/v1/other/deep/path", "GET /v1/{rest+}"),
        ] {
            assert!(
                matches!(routes.find(method, path), Lookup::Found(taken) if taken.key == route),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn tells_an_unknown_path_from_another_method() {
        let routes = routes(&[("GET", "/v1/sites"), ("POST", "/v1/sites")]);
        assert_eq!(routes.find("PUT", "/v1/sites"), Lookup::OtherMethods(vec!["GET".into(), "POST".into()]));
        assert_eq!(routes.find("GET", "/v1/sites/"), Lookup::Nothing);
        assert_eq!(routes.find("GET", "/v2"), Lookup::Nothing);
    }
}
