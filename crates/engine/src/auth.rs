//! Sign-in to platforms.
#![allow(missing_docs, clippy::all)]
use crate::{api::{command::ReturnBy, view::SignInView}, ports::{Browser, Clock}, secret::Sensitive, store::Db, vault::Vault};
use std::sync::Arc;
use url::Url;
use zhiyou_domain::fault::Fault;
pub struct Platform;
impl Platform { pub fn bundled(_: &Url) -> Result<Vec<Self>, Fault> { Ok(vec![]) } }
pub struct Auth;
pub struct Bearer { pub token: Sensitive<String> }
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct AuthError;
impl AuthError { pub fn is_transient(&self) -> bool { false } }
impl Auth {
    pub fn new(_: Db, _: Arc<Vault>, _: Arc<dyn Clock>, _: Arc<dyn Browser>, _: Vec<Platform>, _: bool) -> Result<Self, Fault> { Ok(Self) }
    pub async fn start(&self, _: &str, _: ReturnBy) -> Result<(), Fault> { Ok(()) }
    pub async fn cancel(&self, _: &str) -> Result<(), Fault> { Ok(()) }
    pub async fn disconnect(&self, _: &str) -> Result<(), Fault> { Ok(()) }
    pub async fn list(&self) -> Vec<SignInView> { vec![] }
    pub async fn is_connected(&self, _: &str) -> bool { false }
    pub async fn access_token(&self, _: &str) -> Result<Bearer, AuthError> { Err(AuthError) }
    pub async fn rejected(&self, _: &str) {}
    pub async fn deep_link(&self, _: &str) -> bool { false }
    pub async fn stop(&self) {}
}
