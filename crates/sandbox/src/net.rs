//! Listening: one loopback port per provider, the same one after a restart, and connections that can be cut without an
//! answer, as a network does.
//!
//! Deliberately not here: what is served.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The ports of the last run, kept in `ports.json`.
pub(crate) struct Ports {
    listen: IpAddr,
    known: BTreeMap<String, u16>,
}

impl Ports {
    /// Reads the ports of the last run in this folder; none at the first start.
    pub(crate) fn recall(folder: &Path, listen: IpAddr) -> Self {
        let known = std::fs::read(folder.join("ports.json")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { listen, known: known.unwrap_or_default() }
    }

    /// Listens where this provider listened last time, or on another port when that one is taken.
    pub(crate) async fn bind(&mut self, provider: &str) -> io::Result<TcpListener> {
        let wanted = self.known.get(provider).copied().unwrap_or(0);
        let listener = match TcpListener::bind(SocketAddr::new(self.listen, wanted)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind(SocketAddr::new(self.listen, 0)).await?,
        };
        self.known.insert(provider.to_owned(), listener.local_addr()?.port());
        Ok(listener)
    }

    /// Keeps the ports for the next run.
    pub(crate) fn keep(&self, folder: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(&self.known).map_err(io::Error::other)?;
        crate::keys::write_private(&folder.join("ports.json"), &bytes)
    }
}

/// Serves until `stop`; then every connection is cut.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let listener = CuttingListener { listener, stop: stop.clone() };
    let serving = axum::serve(listener, router.into_make_service_with_connect_info::<Cut>());
    tokio::select! {
        ended = std::future::IntoFuture::into_future(serving) => {
            if let Err(error) = ended {
                tracing::error!(%error, "a sandbox port stopped serving");
            }
        }
        () = stop.cancelled() => {}
    }
}

/// Cuts the connection a request came over: after `cut`, no byte of an answer leaves.
#[derive(Clone)]
pub(crate) struct Cut(CancellationToken);

impl Cut {
    /// Ends the connection now.
    pub(crate) fn cut(&self) {
        self.0.cancel();
    }
}

impl Connected<IncomingStream<'_, CuttingListener>> for Cut {
    fn connect_info(stream: IncomingStream<'_, CuttingListener>) -> Self {
        Self(stream.io().cut.clone())
    }
}

pub(crate) struct CuttingListener {
    listener: TcpListener,
    stop: CancellationToken,
}

impl Listener for CuttingListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let cut = self.stop.child_token();
        (CuttableStream { stream, cancelled: Box::pin(cut.clone().cancelled_owned()), cut }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

pub(crate) struct CuttableStream {
    stream: TcpStream,
    cut: CancellationToken,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl CuttableStream {
    fn check(&self) -> io::Result<()> {
        if self.cut.is_cancelled() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cancelled.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
