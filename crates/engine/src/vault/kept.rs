//! Every column that holds sealed values, and the place each value is bound to: what a rotation goes through.
//!
//! Deliberately not here: what the values mean.

use super::{Place, VaultError, rotate};
use crate::store::{Tx, pending_sign_ins, sealed, sign_ins};

/// What a document of table `sealed` is sealed for.
pub(super) struct Document {
    row: String,
    column: String,
}

impl Document {
    /// The length in front keeps `("a", "b/c")` and `("a/b", "c")` apart. The version is part of the place, so that an
    /// earlier document cannot be put back; until there were versions, the column alone was.
    pub(super) fn new(kind: &str, id: &str, version: i64) -> Self {
        let column = if version == 0 { "body".to_owned() } else { format!("body/{version}") };
        Self { row: format!("{kind}/{}/{id}", kind.len()), column }
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place { table: "sealed", row: &self.row, column: &self.column }
    }
}

/// Place of a platform's tokens.
pub(crate) fn tokens(row: &str) -> Place<'_> {
    Place { table: "sign_ins", row, column: "tokens" }
}

/// Issuer and serial are part of the place: tokens of another issuer, or older ones, cannot be put in.
pub(crate) fn tokens_row(platform: &str, serial: i64, issuer: &str) -> String {
    format!("{platform}/{serial}/{issuer}")
}

/// Place of a visit under way.
pub(crate) fn visit(row: &str) -> Place<'_> {
    Place { table: "pending_sign_ins", row, column: "body" }
}

/// The attempt is part of the place, so that the body of an earlier visit cannot be put back.
pub(crate) fn visit_row(platform: &str, attempt: &str) -> String {
    format!("{platform}/{attempt}")
}

/// What was sealed in a row that is gone, kept in table `sealed` as it is: the vault was closed when the row went. The
/// document's id is the row it is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// A platform's tokens.
    Tokens,
    /// A visit whose return had come.
    Visit,
}

impl Unopened {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Tokens, Self::Visit];

    /// Kind of its documents.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Tokens => "tokens_unopened",
            Self::Visit => "visit_unopened",
        }
    }

    /// The place it was sealed for.
    pub(super) fn place(self, row: &str) -> Place<'_> {
        match self {
            Self::Tokens => tokens(row),
            Self::Visit => visit(row),
        }
    }
}

/// Seals every value anew that is not sealed under the new key yet. A value that opened under neither key stays as it is:
/// it was damaged before, and must not keep the others.
pub(super) async fn reseal(tx: &mut Tx, change: &rotate::Change) -> Result<(), VaultError> {
    for (kind, id, body, version) in sealed::all(tx).await? {
        let document = Document::new(&kind, &id, version);
        let unopened = Unopened::ALL.into_iter().find(|unopened| unopened.kind() == kind);
        let place = unopened.map_or_else(|| document.place(), |unopened| unopened.place(&id));
        if kind != rotate::KIND
            && let Some(body) = change.anew(&place, &body)?
        {
            sealed::put(tx, &kind, &id, body).await?;
        }
    }
    for (platform, serial, issuer, body) in sign_ins::sealed(tx).await? {
        if let Some(body) = change.anew(&tokens(&tokens_row(&platform, serial, &issuer)), &body)? {
            sign_ins::reseal(tx, &platform, serial, body).await?;
        }
    }
    for (platform, attempt, body) in pending_sign_ins::sealed(tx).await? {
        if let Some(body) = change.anew(&visit(&visit_row(&platform, &attempt)), &body)? {
            pending_sign_ins::reseal(tx, &platform, &attempt, body).await?;
        }
    }
    Ok(())
}
