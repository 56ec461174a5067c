//! MCP servers: a list of tools with schemas, one call each, one kind of answer.
//!
//! A business ending, good or bad, is a normal result ([`zhiyou_domain::port::Answer`]); an error result is for a call that
//! could not be understood, and carries no structured content, because clients check that against the output schema even on
//! errors. Deliberately not here: what a tool does.

pub(crate) mod activities;
pub(crate) mod agents;
pub(crate) mod cars;
pub(crate) mod flights;
pub(crate) mod hotels;
pub(crate) mod http;
pub(crate) mod pace;
pub(crate) mod page;
pub(crate) mod payments;
pub(crate) mod scope;

use crate::{
    defence::{Defence, off},
    secret::Sensitive,
};
use axum::http::request::Parts;
use page::Page;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::common::{schema_for_input, schema_for_output},
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, JsonObject,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
    },
    schemars::JsonSchema,
    service::RequestContext,
};
use scope::{Scope, Scopes};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{future::Future, pin::Pin, sync::Arc};
use tokio_util::task::TaskTracker;
use zhiyou_domain::port::{TRAVELLER_TOKEN_META, TRAVELLER_TOKEN_ORIGIN_META};

/// What a call does to the world, as hints for a client.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    /// Reads.
    Read,
    /// Books, holds, pays or asks; asking again with the same fields does it once, or is looked up first.
    Act { repeatable: bool },
    /// Gives up or gives back something.
    Undo { repeatable: bool },
    /// Lets money be taken.
    Spend,
}

impl Effect {
    fn annotations(self) -> ToolAnnotations {
        let (read, destructive, idempotent) = match self {
            Self::Read => (true, false, true),
            Self::Act { repeatable } => (false, false, repeatable),
            Self::Undo { repeatable } => (false, true, repeatable),
            Self::Spend => (false, true, true),
        };
        ToolAnnotations::new().read_only(read).destructive(destructive).idempotent(idempotent).open_world(true)
    }
}

/// A traveller's token, and the origin that gave it.
#[derive(Debug, Clone)]
pub(crate) struct TravellerToken {
    pub(crate) token: Sensitive<String>,
    /// Empty where the call did not say.
    pub(crate) origin: String,
}

/// What a call comes to.
struct Came {
    result: CallToolResult,
    /// Where the person is asked, if that has only just begun.
    page: Option<Page>,
}

impl From<CallToolResult> for Came {
    fn from(result: CallToolResult) -> Self {
        Self { result, page: None }
    }
}

type Running = Pin<Box<dyn Future<Output = Came> + Send>>;
type Handler = Arc<dyn Fn(JsonObject, Caller) -> Running + Send + Sync>;

/// Whom an agent acts for, as its token proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    pub(crate) subject: String,
    pub(crate) scopes: Scopes,
    /// After how many milliseconds a call will pass, where this one came too fast.
    pub(crate) wait_ms: Option<i64>,
}

impl Principal {
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.scopes.allow(scope) || off(Defence::Scoped)
    }
}

/// Who calls a tool, as far as the call says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// The traveller's own token for the platform the tool is about.
    token: Option<TravellerToken>,
    /// Whose agent it is; none for the engine.
    principal: Option<Principal>,
    /// What the client calls itself: anybody's claim, shown as such.
    client: String,
}

/// A tool and what it runs.
#[derive(Clone)]
pub(crate) struct Entry {
    tool: Tool,
    run: Handler,
    /// What an agent's token has to allow; the engine needs nothing.
    scope: Option<Scope>,
}

/// A call that could not be carried out at all.
#[derive(Debug)]
pub(crate) struct Broken;

/// A tool from its argument and result types. `run` also gets the traveller's token, if the call carried one.
pub(crate) fn tool<A, R, F, Fut>(name: &'static str, description: &'static str, effect: Effect, run: F) -> Entry
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    R: Serialize + JsonSchema + 'static,
    F: Fn(A, Option<TravellerToken>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, Broken>> + Send + 'static,
{
    let input = schema_for_input::<A>().unwrap_or_else(|problem| {
        tracing::error!(name, problem, "a tool's input schema is not an object");
        Arc::default()
    });
    let mut output = schema_for_output::<R>().as_ref().clone();
    output.values_mut().for_each(without_null);
    let tool = Tool::new(name, description, input)
        .with_raw_output_schema(Arc::new(output))
        .with_annotations(effect.annotations());
    let run: Handler = Arc::new(move |arguments, caller| match read::<A>(arguments) {
        Ok(arguments) => {
            let running = run(arguments, caller.token);
            Box::pin(async move { running.await.map_or_else(|Broken| broken(), |result| written(&result)).into() })
        }
        Err(error) => Box::pin(std::future::ready(Came::from(error))),
    });
    Entry { tool, run, scope: None }
}

/// Absent fields are left out and never null, so the schema need not offer null; some clients choke on such unions.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(kinds)) = object.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [only] = kinds.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice != &json!({"type": "null"}));
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn read<A: DeserializeOwned>(arguments: JsonObject) -> Result<A, CallToolResult> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let path = error.path().to_string();
        let message = unquoted(&error.inner().to_string());
        let field = if path == "." { missing_field(&message).unwrap_or_default() } else { path };
        failed("validation_failed", &message, Some(&field))
    })
}

/// serde quotes the wrong value, which may be a name or a number of a person; only what was expected is passed on.
fn unquoted(message: &str) -> String {
    let outside = message.split('"').step_by(2).collect::<Vec<_>>().join("…");
    let known = match outside.strip_prefix("unknown variant `").and_then(|rest| rest.split_once('`')) {
        Some((_, expected)) => format!("unknown variant{expected}"),
        None => outside,
    };
    known.chars().take(200).collect()
}

/// serde names a missing or unknown field only in its message.
fn missing_field(message: &str) -> Option<String> {
    message.split('`').nth(1).map(str::to_owned)
}

fn written<R: Serialize>(result: &R) -> CallToolResult {
    serde_json::to_value(result).map_or_else(|_| broken(), CallToolResult::structured)
}

fn broken() -> CallToolResult {
    failed("internal", "the gateway could not carry out the call", None)
}

fn failed(code: &str, message: &str, field: Option<&str>) -> CallToolResult {
    refusal(code, message, field, code == "internal", None)
}

/// What a caller is told who asks too often.
fn hurried(wait_ms: i64) -> Value {
    let message = "too many calls at once; the same call will pass a little later";
    json!({"error": {"code": "rate_limited", "message": message, "retryable": true, "retryAfterMs": wait_ms}})
}

fn refusal(
    code: &str,
    message: &str,
    field: Option<&str>,
    retryable: bool,
    correlation: Option<&str>,
) -> CallToolResult {
    let mut error = json!({"code": code, "message": message, "retryable": retryable});
    if let Some(correlation) = correlation {
        error["correlationId"] = json!(correlation);
    }
    if let Some(field) = field {
        error["field"] = json!(field);
    }
    CallToolResult::error(vec![ContentBlock::text(json!({"error": error}).to_string())])
}

/// One server. An agent is offered its own tools and never the engine's.
#[derive(Clone)]
pub(crate) struct Server {
    name: &'static str,
    tools: Arc<[Entry]>,
    for_agents: Arc<[Entry]>,
    tracker: TaskTracker,
}

impl Server {
    pub(crate) fn new(name: &'static str, tools: Vec<Entry>, tracker: TaskTracker) -> Self {
        Self { name, tools: tools.into(), for_agents: Arc::default(), tracker }
    }

    /// The same server with tools for agents that act for a customer.
    pub(crate) fn with_agents(self, tools: Vec<Entry>) -> Self {
        Self { for_agents: tools.into(), ..self }
    }

    /// What an agent's token has to allow for each tool.
    fn scopes(&self) -> Vec<(String, Scope)> {
        let allowed = |entry: &Entry| entry.scope.map(|scope| (entry.tool.name.to_string(), scope));
        self.for_agents.iter().filter_map(allowed).collect()
    }

    /// What this caller is offered.
    fn offered(&self, principal: Option<&Principal>) -> &[Entry] {
        if principal.is_some() { &self.for_agents } else { &self.tools }
    }
}

/// Why an agent's call is not even begun.
fn stopped(entry: &Entry, principal: &Principal) -> Option<CallToolResult> {
    if let Some(wait_ms) = principal.wait_ms {
        return Some(CallToolResult::error(vec![ContentBlock::text(hurried(wait_ms).to_string())]));
    }
    let lacking = entry.scope.filter(|scope| !principal.may(*scope))?;
    let message = format!("the token does not allow {}", lacking.word());
    Some(refusal("insufficient_scope", &message, None, false, None))
}

/// Whose agent asks: what the listener proved of the request's token.
fn principal(context: &RequestContext<RoleServer>) -> Option<Principal> {
    context.extensions.get::<Parts>()?.extensions.get::<Principal>().cloned()
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(format!("zhiyou-{}", self.name), env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let offered = self.offered(principal(&context).as_ref());
        Ok(ListToolsResult::with_all_items(offered.iter().map(|entry| entry.tool.clone()).collect()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools
            .iter()
            .chain(self.for_agents.iter())
            .find(|entry| entry.tool.name == name)
            .map(|entry| entry.tool.clone())
    }

    /// The work runs on its own task: a caller who goes away cannot cut an effect in two.
    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let principal = principal(&context);
        let Some(entry) = self.offered(principal.as_ref()).iter().find(|entry| entry.tool.name == call.name) else {
            return Err(ErrorData::invalid_params(
                format!("no tool {:?}", call.name.chars().take(64).collect::<String>()),
                None,
            ));
        };
        if let Some(stopped) = principal.as_ref().and_then(|principal| stopped(entry, principal)) {
            return Ok(stopped.into());
        }
        let said = |key: &str| context.meta.0.0.get(key).and_then(Value::as_str).map(str::to_owned);
        let token = said(TRAVELLER_TOKEN_META).map(|token| TravellerToken {
            token: Sensitive::new(token),
            origin: said(TRAVELLER_TOKEN_ORIGIN_META).unwrap_or_default(),
        });
        let client = context.client_info().map(|client| client.name).unwrap_or_default();
        let caller = Caller { token, principal, client };
        let running = (entry.run)(call.arguments.unwrap_or_default(), caller);
        let Came { result, page } = self.tracker.spawn(running).await.unwrap_or_else(|error| {
            tracing::error!(%error, tool = %call.name, "a tool ended without an answer");
            broken().into()
        });
        page.and_then(|page| page.opened_by(&context)).unwrap_or_else(|| Ok(result.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiyou_domain::port::flights::Passenger;

    #[test]
    fn a_refused_argument_is_named_without_quoting_it() {
        let arguments = json!({"passengerId": "pas_1", "title": "Amelia Earhart"});
        let Value::Object(arguments) = arguments else { panic!() };
        let result = read::<Passenger>(arguments).unwrap_err();
        assert_eq!((result.is_error, &result.structured_content), (Some(true), &None));
        let text = &result.content[0].as_text().unwrap().text;
        assert!(text.contains(r#""field":"title""#) && !text.contains("Amelia"), "{text}");
        assert_eq!(unquoted(r#"invalid type: string "Amelia", expected u8"#), "invalid type: string …, expected u8");
    }
}
