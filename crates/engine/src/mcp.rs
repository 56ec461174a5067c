//! The engine's side of MCP: calls the tools of the gateway's three servers.
//!
//! What a tool's description says is never read; tools are called by the names the domain's contracts give, and results
//! are parsed into those contracts. A call that does not come back, or comes back unreadable, is [`Outcome::Unknown`].
//! Deliberately not here: retries, and any idea of what the calls mean.

use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult, RequestParamsMeta},
    service::RunningService,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;
use tokio::io::DuplexStream;
use zhiyou_domain::port::{
    Answer, Outcome, Reason, ReasonCode, TRAVELLER_TOKEN_META, TRAVELLER_TOKEN_ORIGIN_META, Word,
};

use crate::auth::Bearer;

/// How long a tool may take. Gateways answer within their own provider time-outs, which are shorter.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to one MCP server.
pub(crate) struct Server {
    name: &'static str,
    service: RunningService<RoleClient, ()>,
}

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
#[error("MCP server {server}: {detail}")]
pub(crate) struct ConnectError {
    server: &'static str,
    detail: String,
}

impl Server {
    /// Opens a session over `io`.
    ///
    /// # Errors
    /// [`ConnectError`] when the server does not speak MCP.
    pub(crate) async fn connect(name: &'static str, io: DuplexStream) -> Result<Self, ConnectError> {
        match ().serve(io).await {
            Ok(service) => Ok(Self { name, service }),
            Err(error) => Err(ConnectError { server: name, detail: error.to_string() }),
        }
    }

    /// Calls a tool that answers an [`Answer`].
    pub(crate) async fn call<Q: Serialize, R: DeserializeOwned>(&self, tool: &'static str, request: &Q) -> Outcome<R> {
        self.call_with(tool, request, None).await
    }

    /// The same, with the traveller's own token in `_meta`, and beside it the origin that gave it.
    pub(crate) async fn call_as<Q: Serialize, R: DeserializeOwned>(
        &self,
        tool: &'static str,
        request: &Q,
        bearer: &Bearer,
    ) -> Outcome<R> {
        self.call_with(tool, request, Some(bearer)).await
    }

    async fn call_with<Q: Serialize, R: DeserializeOwned>(
        &self,
        tool: &'static str,
        request: &Q,
        bearer: Option<&Bearer>,
    ) -> Outcome<R> {
        match self.raw(tool, request, bearer).await {
            Ok(value) => match serde_json::from_value::<Answer<R>>(value) {
                Ok(answer) => answer.into(),
                Err(error) => unknown(
                    ReasonCode::ProviderFault,
                    Word::from(self.name).and(tool).and("unreadable").and(Word::named(&error)),
                ),
            },
            Err(outcome) => outcome,
        }
    }

    /// Calls a tool that answers a plain object; for reads of the gateway's own tables.
    ///
    /// # Errors
    /// The reason; nothing was changed by asking.
    pub(crate) async fn read<Q: Serialize, R: DeserializeOwned>(
        &self,
        tool: &'static str,
        request: &Q,
    ) -> Result<R, Reason> {
        let value = self.raw::<Q, ()>(tool, request, None).await.map_err(|outcome| match outcome {
            Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason) => reason,
            Outcome::Done(()) => Reason::new(ReasonCode::ProviderFault, "no content"),
        })?;
        serde_json::from_value(value).map_err(|error| Reason::new(ReasonCode::ProviderFault, Word::named(&error)))
    }

    async fn raw<Q: Serialize, R>(
        &self,
        tool: &'static str,
        request: &Q,
        bearer: Option<&Bearer>,
    ) -> Result<Value, Outcome<R>> {
        let Ok(Value::Object(arguments)) = serde_json::to_value(request) else {
            return Err(Outcome::NotSent(Reason::new(ReasonCode::InvalidRequest, "arguments are not an object")));
        };
        let mut params = CallToolRequestParams::new(tool).with_arguments(arguments);
        if let Some(bearer) = bearer {
            let meta = params.meta_mut().get_or_insert_with(Default::default);
            meta.0.insert(TRAVELLER_TOKEN_META.to_owned(), Value::String(bearer.token.expose().clone()));
            meta.0.insert(TRAVELLER_TOKEN_ORIGIN_META.to_owned(), Value::String(bearer.origin()));
        }
        match tokio::time::timeout(CALL_TIMEOUT, self.service.peer().call_tool(params)).await {
            Ok(Ok(result)) => content(result).ok_or_else(|| {
                unknown(ReasonCode::ProviderFault, Word::from(self.name).and(tool).and("answered an error"))
            }),
            Ok(Err(error)) => {
                Err(unknown(ReasonCode::Network, Word::from(self.name).and(tool).and(Word::named(&error))))
            }
            Err(_) => Err(unknown(ReasonCode::Network, Word::from(self.name).and(tool).and("did not answer in time"))),
        }
    }
}

fn content(result: CallToolResult) -> Option<Value> {
    if result.is_error == Some(true) {
        // Its text may repeat what was asked, and who for.
        tracing::warn!(parts = result.content.len(), "a tool answered an error");
        return None;
    }
    result.structured_content
}

fn unknown<R>(code: ReasonCode, detail: impl Into<Word>) -> Outcome<R> {
    Outcome::Unknown(Reason::new(code, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    /// A server that opens a session and hangs up as soon as a tool is called.
    async fn hangs_up(io: DuplexStream) {
        let (from, mut to) = tokio::io::split(io);
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let asked: Value = serde_json::from_str(&line).unwrap();
            match asked["method"].as_str() {
                Some("initialize") => {
                    let result = json!({
                        "protocolVersion": asked["params"]["protocolVersion"], "capabilities": { "tools": {} },
                        "serverInfo": { "name": "hangs-up", "version": "1" },
                    });
                    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
                    to.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
                }
                Some("tools/call") => return,
                _ => {}
            }
        }
    }

    #[tokio::test]
    async fn sg_63_a_server_that_breaks_off_in_the_middle_of_a_call_leaves_its_outcome_unknown() {
        let (ours, theirs) = tokio::io::duplex(4_096);
        let server = tokio::spawn(hangs_up(theirs));
        let connected = Server::connect("flights", ours).await.unwrap();
        let ended: Outcome<Value> = connected.call("holdFlight", &json!({})).await;
        assert!(matches!(ended, Outcome::Unknown(_)), "{ended:?}");
        server.await.unwrap();
        // A session that is gone cannot tell what was sent either.
        let ended: Outcome<Value> = connected.call("holdFlight", &json!({})).await;
        assert!(matches!(ended, Outcome::Unknown(_)), "{ended:?}");
    }
}
