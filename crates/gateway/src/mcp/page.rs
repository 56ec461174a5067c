//! The merchant's page on which a person answers what an agent wants, and the ways a client is told to open it.
//!
//! Only a client that says it opens addresses is sent there, once per confirmation; the call that comes again is answered as
//! for everybody else. That the page was opened means nothing: the gate asks its own record. So nothing is sealed into the
//! address or handed to the client to bring back. Deliberately not here: the page, and its person's sign-in.

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolResponse, ElicitRequest, ElicitRequestParams, ErrorCode, InputRequest, InputRequiredResult,
        ProtocolVersion,
    },
    service::RequestContext,
};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use url::Url;
use zhiyou_domain::id::ConfirmationId;

/// What a client of the protocol of 2025-11-25 is told where an address has to be opened first.
const URL_ELICITATION_REQUIRED: ErrorCode = ErrorCode(-32042);
/// For the person, who reads it before opening the page.
const MESSAGE: &str = "A program that acts for you waits for your answer. Please review there what it wants to do.";

/// An answer that may have begun to ask the person.
pub(crate) trait Asks {
    /// The confirmation that this very call began.
    fn asks(&self) -> Option<ConfirmationId>;
}

/// Where persons answer, if the merchant has a page for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages(pub(crate) Option<Arc<Url>>);

impl Pages {
    /// The page of one confirmation: its id alone, which is worth nothing to whom it does not belong.
    pub(crate) fn of(&self, asked: ConfirmationId) -> Option<Page> {
        let base = self.0.as_ref()?.as_str().trim_end_matches('/');
        Some(Page { name: asked.to_string(), address: format!("{base}/{asked}") })
    }
}

/// A page to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    name: String,
    address: String,
}

impl Page {
    /// How this client is told; nothing where it opens no addresses.
    pub(crate) fn opened_by(self, context: &RequestContext<RoleServer>) -> Option<Result<CallToolResponse, ErrorData>> {
        let able = context.client_capabilities().and_then(|client| client.elicitation);
        able.and_then(|elicitation| elicitation.url)?;
        let modern = context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
        Some(if modern { Ok(self.required().into()) } else { Err(self.error()) })
    }

    fn required(self) -> InputRequiredResult {
        let params = ElicitRequestParams::UrlElicitationParams {
            meta: None,
            message: MESSAGE.to_owned(),
            url: self.address,
            elicitation_id: self.name.clone(),
        };
        let request = InputRequest::Elicitation(ElicitRequest::new(params));
        InputRequiredResult::from_input_requests(BTreeMap::from([(self.name, request)]))
    }

    fn error(self) -> ErrorData {
        let asked = json!({"mode": "url", "elicitationId": self.name, "url": self.address, "message": MESSAGE});
        ErrorData::new(URL_ELICITATION_REQUIRED, MESSAGE, Some(json!({"elicitations": [asked]})))
    }
}
