//! What all grants together come to, as the build resolved them, held to what was reviewed: `acl.snapshot.json`.
//!
//! The file names every grant, what each of its permissions lets call, and every command that can be called at all, by
//! whom. Whoever changes it says yes to what is in it. Deliberately not here: the calls themselves (`grants.rs`).

use crate::MAIN;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tauri::utils::{
    acl::{ExecutionContext, capability::Capability, get_capabilities, manifest::Manifest, resolved::Resolved},
    config::Config,
    platform::Target,
};

/// What the build resolved, and what it makes part of the program.
fn built() -> (BTreeMap<String, Manifest>, BTreeMap<String, Capability>) {
    let manifests = include_str!(concat!(env!("OUT_DIR"), "/acl-manifests.json"));
    let files = include_str!(concat!(env!("OUT_DIR"), "/capabilities.json"));
    let config: Config = serde_json::from_str(include_str!("../tauri.conf.json")).unwrap();
    let capabilities = get_capabilities(&config, serde_json::from_str(files).unwrap(), None).unwrap();
    (serde_json::from_str(manifests).unwrap(), capabilities)
}

fn resolved(manifests: &BTreeMap<String, Manifest>, capabilities: BTreeMap<String, Capability>) -> Resolved {
    Resolved::resolve(manifests, capabilities, Target::current()).unwrap()
}

/// Every command that can be called, and from where.
fn callable(resolved: &Resolved) -> Value {
    let commands = resolved.allowed_commands.iter().map(|(command, grants)| {
        let grants = grants.iter().map(|grant| {
            let page = match &grant.context {
                ExecutionContext::Local => "our own".to_owned(),
                ExecutionContext::Remote { url } => url.as_str().to_owned(),
            };
            let windows: Vec<_> = grant.windows.iter().map(|label| label.as_str()).collect();
            let webviews: Vec<_> = grant.webviews.iter().map(|label| label.as_str()).collect();
            json!({ "page": page, "windows": windows, "webviews": webviews, "scoped": grant.scope_id.is_some() })
        });
        (command.clone(), grants.collect::<Value>())
    });
    commands.collect::<serde_json::Map<_, _>>().into()
}

/// What each permission of a grant lets call.
fn permissions(manifests: &BTreeMap<String, Manifest>, capability: &Capability) -> Value {
    let lists = capability.permissions.iter().map(|permission| {
        let alone = Capability { permissions: vec![permission.clone()], ..capability.clone() };
        let resolved = resolved(manifests, BTreeMap::from([(alone.identifier.clone(), alone)]));
        let commands: Vec<_> = resolved.allowed_commands.into_keys().collect();
        (permission.identifier().get().to_owned(), json!(commands))
    });
    lists.collect::<serde_json::Map<_, _>>().into()
}

fn summary(manifests: &BTreeMap<String, Manifest>, capabilities: &BTreeMap<String, Capability>) -> Value {
    let grants = capabilities.iter().map(|(name, capability)| {
        let mut grant = serde_json::to_value(capability).unwrap();
        let fields = grant.as_object_mut().unwrap();
        fields.retain(|field, _| !matches!(field.as_str(), "identifier" | "description" | "permissions"));
        fields.insert("permissions".to_owned(), permissions(manifests, capability));
        (name.clone(), grant)
    });
    let grants: Value = grants.collect::<serde_json::Map<_, _>>().into();
    let resolved = resolved(manifests, capabilities.clone());
    json!({
        "grants": grants,
        "callable": callable(&resolved),
        "denied": resolved.denied_commands.keys().collect::<Vec<_>>(),
        "scopes": resolved.command_scope.len() + resolved.global_scope.len(),
        "our commands need a grant": resolved.has_app_acl,
    })
}

#[test]
fn ta_32_what_is_granted_is_what_was_reviewed() {
    let reviewed: Value = serde_json::from_str(include_str!("acl.snapshot.json")).unwrap();
    let (manifests, capabilities) = built();
    let now = summary(&manifests, &capabilities);
    assert_eq!(now, reviewed, "what is granted changed; it is now\n{now:#}");
    // A grant that comes with anything else is seen: another capability, a wider window, one permission more.
    let one = &capabilities[MAIN];
    let of = |text: &str| serde_json::from_str::<Capability>(text).unwrap();
    for (name, other) in [
        ("more", of(r#"{ "identifier": "more", "windows": ["main"], "permissions": ["core:event:allow-listen"] }"#)),
        ("more", of(r#"{ "identifier": "more", "windows": ["about"], "permissions": ["allow-rpc"] }"#)),
        (MAIN, Capability { windows: vec!["*".to_owned()], ..one.clone() }),
        (MAIN, Capability { permissions: one.permissions.iter().take(1).cloned().collect(), ..one.clone() }),
        (
            MAIN,
            of(
                r#"{ "identifier": "main", "windows": ["main"], "permissions": ["allow-bell", "allow-rpc", "core:default"] }"#,
            ),
        ),
    ] {
        let mut drifted = capabilities.clone();
        drifted.insert(name.to_owned(), other);
        assert_ne!(summary(&manifests, &drifted), reviewed, "{name}");
    }
    // And a permission of the same name that an update lets do more.
    let mut updated = manifests;
    let app = updated.get_mut("__app-acl__").unwrap();
    app.permissions.get_mut("allow-bell").unwrap().commands.allow.push("unheard_of".to_owned());
    assert_ne!(summary(&updated, &capabilities), reviewed);
}
