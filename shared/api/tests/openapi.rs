//! The description of the API is that of its routes, and every route asks who comes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use porpoise_api::{Action, document, listed};
use serde_json::Value;

use crate::support::{Server, asked, bare};

/// Each operation of the document, by method and address.
fn operations() -> BTreeMap<(String, String), Value> {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods
            .map(|(method, operation)| ((method.to_uppercase(), path.clone()), operation.clone()))
    });
    operations.collect()
}

/// An address with something in each of its segments.
fn filled(path: &str) -> String {
    let segment = |segment: &str| match segment {
        "{attempt}" => "1".to_owned(),
        name => name.replace(['{', '}'], ""),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[test]
fn the_checked_in_document_is_that_of_the_routes() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, document()).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == document(),
        "docs/openapi.json is not what the routes say; regenerate it with:\n    \
         UPDATE_OPENAPI=1 cargo test -p porpoise-api --test all"
    );
}

#[test]
fn the_document_describes_exactly_the_routes() {
    let routes = listed().into_iter();
    let routes: BTreeSet<_> = routes
        .map(|route| (route.method.to_string(), route.path.to_owned()))
        .collect();
    assert_eq!(routes.len(), listed().len());
    let described: BTreeSet<_> = operations().into_keys().collect();
    assert_eq!(described, routes);
}

#[test]
fn every_operation_has_an_id_of_its_own_and_says_what_it_does() {
    let mut ids = BTreeSet::new();
    for (route, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.is_empty(), "{route:?}");
        assert!(
            ids.insert(id.to_owned()),
            "{id} of {route:?} is twice there"
        );
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty(), "{route:?}");
        let segments = route.1.matches('{').count();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let described = parameters.filter(|parameter| parameter["in"] == "path");
        assert_eq!(described.count(), segments, "{route:?}");
    }
}

/// What a schema refers to stands in the document.
#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn walk(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                    found.insert(target.trim_start_matches('#').to_owned());
                }
                fields.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut references = BTreeSet::new();
    walk(&document, &mut references);
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        assert!(document.pointer(&reference).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn every_route_asks_for_the_token_except_those_that_greet() {
    let server = Server::still();
    for route in listed() {
        let path = filled(route.path);
        let stranger = bare(route.method.clone(), &path)
            .body(Body::empty())
            .unwrap();
        let stranger = server.send(stranger).await;
        let known = server
            .send(asked(route.method.clone(), &path, Body::empty()))
            .await;
        assert_ne!(known.status, StatusCode::UNAUTHORIZED, "{route:?}");
        assert_ne!(known.status, StatusCode::METHOD_NOT_ALLOWED, "{route:?}");
        if route.action == Action::Greet {
            assert_eq!(stranger.status, StatusCode::OK, "{route:?}");
        } else {
            stranger.problem(401, "PP0001");
            assert_eq!(stranger.header("www-authenticate"), "Bearer", "{route:?}");
        }
    }
}

#[tokio::test]
async fn only_methods_that_change_nothing_are_open_to_readers() {
    for route in listed() {
        let reads = matches!(route.action, Action::Greet | Action::Read);
        let changes_nothing = route.method == Method::GET || route.path.ends_with("-preview");
        assert_eq!(reads, changes_nothing, "{route:?}");
    }
}
