//! `jackfield connections revoke`.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use connections::{Connections, RevocationRun, RunFilter, RunOptions, RunReport};
use indicatif::{ProgressBar, ProgressStyle};
use model::{TenantId, Timestamp};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{parse_user, report};
use crate::cli::{Usage, print};
use crate::keys::parse_time;
use crate::remote::note;

/// Who revokes, for the record.
const ACTOR: &str = "operator";

/// Which connections: at least one of them must be said.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct WhichArgs {
    /// Those of this tenant.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Those to this provider.
    #[arg(long)]
    provider: Option<String>,
    /// Those whose user last consented before this time, as in 2026-11-20T08:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    before: Option<Timestamp>,
    /// Those of this user, by e-mail address; the tenant's own are not among them.
    #[arg(long, value_name = "EMAIL", value_parser = parse_user)]
    user: Option<String>,
    /// All of all tenants.
    #[arg(long, conflicts_with_all = ["tenant", "provider", "before", "user"])]
    all: bool,
}

impl From<WhichArgs> for RunFilter {
    fn from(which: WhichArgs) -> Self {
        // `--all` goes with none of the others: the empty filter is what it means.
        let WhichArgs { tenant, provider, before, user, all: _ } = which;
        Self { tenant, provider, user_email: user, before }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// How many revocations begin in a second, for each provider.
    #[arg(long, default_value = "5")]
    rate: NonZeroU32,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Revokes, and tells what came of it.
pub(super) async fn run(connections: &Connections, args: RevokeArgs) -> anyhow::Result<ExitCode> {
    let filter = RunFilter::from(args.which);
    if !args.yes {
        confirm(&connections.count_revocations(&filter).await?)?;
    }
    let run = connections.begin_revocations(filter).await?;
    if run.is_continued {
        note(&format!(
            "going on with the revocations that began at {}; connections that were made or renewed since are left alone",
            run.started_at
        ));
    }
    let report = drive(connections, &run, args.rate).await?;
    print(&if args.json { report::as_json(&run, &report) } else { report::as_text(&report)? })?;
    Ok(conclude(&report))
}

/// Asks on a terminal whether to go on with so many.
fn confirm(counts: &BTreeMap<String, i64>) -> anyhow::Result<()> {
    let total: i64 = counts.values().sum();
    let stdin = std::io::stdin();
    if total == 0 {
        return Ok(());
    }
    let by_provider = counts.iter().map(|(provider, count)| format!("{provider} {count}"));
    let by_provider = by_provider.collect::<Vec<_>>().join(", ");
    if !stdin.is_terminal() {
        let text = format!(
            "this would revoke {total} connections ({by_provider}), and nobody can be asked here: add --yes to revoke them"
        );
        return Err(Usage(text).into());
    }
    let question = format!(
        "This revokes {total} connections ({by_provider}). Their users must connect again.\nType yes to go on: "
    );
    std::io::stderr().write_all(question.as_bytes()).context("nobody can be asked")?;
    let mut line = String::new();
    stdin.read_line(&mut line).context("nobody can be asked")?;
    if line.trim() == "yes" {
        return Ok(());
    }
    anyhow::bail!("nothing was revoked")
}

/// Works to the end, or until the operator interrupts.
async fn drive(
    connections: &Connections,
    run: &RevocationRun,
    rate: NonZeroU32,
) -> anyhow::Result<RunReport> {
    let total = connections.revocations_left(run).await?;
    let bar = ProgressBar::new(u64::try_from(total).unwrap_or(0)).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} connections, {eta} left")
            .context("the bar's template")?,
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    let stop = CancellationToken::new();
    let watching = tokio::spawn(watch(stop.clone())?);
    let options = RunOptions { rate, by: ACTOR, stop };
    let report = connections.run_revocations(run, &options, &|| bar.inc(1)).await;
    watching.abort();
    bar.finish_and_clear();
    report.context("the revocations have not ended: run the same again to go on")
}

/// Stops with the first SIGINT or SIGTERM, once what is at work has ended; the second ends the process at once.
fn watch(stop: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
    Ok(async move {
        loop {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            if stop.is_cancelled() {
                std::process::exit(1);
            }
            note("stopping once the revocations that have begun are done; once more stops at once");
            stop.cancel();
        }
    })
}

fn conclude(report: &RunReport) -> ExitCode {
    if !report.is_finished {
        note("interrupted: run the same again to go on");
        return ExitCode::FAILURE;
    }
    let left = report.left();
    if left > 0 {
        note(&format!(
            "{left} connections could not be deleted here: run the same again once the cause is gone"
        ));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
