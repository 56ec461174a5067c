//! What every program of ours writes to its log, whatever is asked for.
//!
//! Our own crates never put a secret or a person into a line, at any level. Libraries do: at `debug` and `trace` they write
//! down whole messages they are handed, which hold travellers and tokens. Those levels are ours alone, and of the library
//! that carries our tool calls only warnings are heard. Deliberately not here: where the lines go.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// The variable that chooses how much is written.
const VARIABLE: &str = "ZHIYOU_LOG";
/// Of these not even `info` is heard: it shows notifications whole.
const CARRIERS: &[&str] = &["rmcp"];

/// Writes what happens to standard error; `ZHIYOU_LOG` chooses how much, `otherwise` is what is written without it. A second
/// call, as in tests, keeps the first subscriber.
pub fn to_standard_error(otherwise: &str) {
    let wanted = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(otherwise));
    let _ = tracing_subscriber::registry().with(layer(wanted, std::io::stderr)).try_init();
}

/// Lines of what is wanted and may be heard, written to `writer`.
pub fn layer<S, W>(wanted: EnvFilter, writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fmt::layer().with_writer(writer).with_filter(wanted.and(filter_fn(may_be_heard)))
}

fn may_be_heard(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= loudest(metadata.target())
}

/// The most that is heard of a target.
fn loudest(target: &str) -> Level {
    let of = |name: &str| target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let ours = target.strip_prefix("zhiyou").is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', ':']));
    if ours {
        Level::TRACE
    } else if CARRIERS.iter().any(|name| of(name)) {
        Level::WARN
    } else {
        Level::INFO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_lines_may_be_finer_than_information() {
        for (target, level) in [
            ("zhiyou", Level::TRACE),
            ("zhiyou_engine::auth::flow", Level::TRACE),
            ("zhiyouish", Level::INFO),
            ("sqlx::query", Level::INFO),
            ("rmcp::service", Level::WARN),
            ("rmcp", Level::WARN),
            ("rmcpx", Level::INFO),
        ] {
            assert_eq!(loudest(target), level, "{target}");
        }
    }
}
