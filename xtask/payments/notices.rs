//! Signed notifications verified, stored and applied per second, beside the smaller of what the disk commits and what the crypto
//! library verifies in the same run.
//!
//! Every notification is about another payment and changes its row. Deliberately not here: notifications that are refused.

use crate::{bare, per_second, stage::Stage};
use futures::{StreamExt, stream};
use std::{error::Error, path::Path, time::Instant};
use zhiyou_domain::id::AttemptId;

pub(crate) async fn run(
    stage: &Stage,
    folder: &Path,
    attempts: &[AttemptId],
    width: usize,
) -> Result<(), Box<dyn Error>> {
    // Signed beforehand: signing is the channel's work.
    let numbered = attempts.iter().enumerate();
    let notices = numbered.map(|(number, attempt)| stage.notice(*attempt, number)).collect::<Result<Vec<_>, _>>()?;
    let before = *stage.gateway.wake().borrow();
    let began = Instant::now();
    let taken: Vec<Result<bool, _>> =
        stream::iter(&notices).map(|notice| stage.send(notice)).buffer_unordered(width.max(1)).collect().await;
    let took = began.elapsed();
    for taken in taken {
        if !taken? {
            return Err("a genuine notification was refused".into());
        }
    }
    let applied = *stage.gateway.wake().borrow() - before;
    if usize::try_from(applied)? != notices.len() {
        return Err(format!("{applied} of {} notifications changed a row", notices.len()).into());
    }
    let rate = per_second(notices.len(), took)?;
    let commits = bare::commits(folder, &notices)?;
    let verifies = bare::verifies(&stage.public_key(), &notices)?;
    let ceiling = commits.min(verifies).max(1);
    println!(
        "notifications, {width} at once  {rate:>6}/s verified, stored and applied; bare commits {commits:>6}/s, bare verifies \
         {verifies:>6}/s: {}% of the smaller",
        rate * 100 / ceiling
    );
    Ok(())
}
