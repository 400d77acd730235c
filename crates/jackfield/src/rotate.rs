//! `jackfield keys rotate`: new keys for what is sealed, while servers go on.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use model::{Ambient, TenantId};
use serde_json::json;
use storage::{Database, Error, LEASE, Rotation, RotationReport, Sealer};

use crate::cli::{Usage, print};
use crate::parts::{SEALED, sealer};
use crate::remote::note;
use crate::settings::Settings;

/// How often is looked whether another rotation has ended.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Rotate the data key of this tenant alone.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Replace the master key in the generated key file as well.
    #[arg(long, conflicts_with = "tenant")]
    master: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Rotates. Returns the report; prints it where it is followed by a failure.
pub(crate) async fn run(
    settings: &Settings,
    database: &Database,
    ambient: &Ambient,
    args: RotateArgs,
) -> anyhow::Result<String> {
    if args.master && settings.encryption_key.is_some() {
        return Err(Usage(HOW_TO_REPLACE_GIVEN.into()).into());
    }
    let sealer = sealer(settings, database, ambient).await?;
    let rotation = begin(database, &sealer, args.tenant.clone()).await?;
    if args.master {
        sealer.add_master()?;
    }
    let report = drive(rotation).await?;
    let is_former_free = args.tenant.is_none() && sealer.drop_former_masters(database).await?;
    let accepted = settings.encryption_keys_accepted.0.len();
    let report = Told { args: &args, report: &report, is_former_free: is_former_free && accepted > 0 };
    let text = if args.json { report.as_json() } else { report.as_text()? };
    report.fail_if_incomplete().or_else(|error| print(&text).and(Err(error)))?;
    Ok(text)
}

const HOW_TO_REPLACE_GIVEN: &str = "--master replaces the key in the generated key file, and ENCRYPTION_KEY is set \
     in its place. To replace ENCRYPTION_KEY without a pause: 1. make a new key with `openssl rand -base64 32` and \
     add it to ENCRYPTION_KEYS_ACCEPTED of every replica; 2. swap the two on every replica; 3. run `jackfield keys \
     rotate` with the same settings; 4. remove the former key from ENCRYPTION_KEYS_ACCEPTED";

/// Begins, after waiting for a rotation that was killed to give up its place.
async fn begin(database: &Database, sealer: &Sealer, tenant: Option<TenantId>) -> anyhow::Result<Rotation> {
    let started = Instant::now();
    loop {
        match Rotation::begin(database, sealer, SEALED, tenant.clone()).await {
            Err(Error::RotationRunning) if started.elapsed() < LEASE + 2 * LOOK_INTERVAL => {
                if started.elapsed() < LOOK_INTERVAL {
                    note(&format!(
                        "another rotation runs, or was killed less than {} s ago: waiting for it",
                        LEASE.as_secs()
                    ));
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            begun => return Ok(begun?),
        }
    }
}

/// Goes to the end, or until the operator interrupts.
async fn drive(mut rotation: Rotation) -> anyhow::Result<RotationReport> {
    let bar = ProgressBar::new(rotation.tenants_ahead().await?).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} tenants, {msg}").context("the bar's template")?,
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let advanced = tokio::select! {
            advanced = rotation.advance() => advanced.context("the rotation has not ended: run it again to go on"),
            _ = &mut interrupted => Err(anyhow::anyhow!("interrupted: run the same again to go on")),
        };
        let report = rotation.report();
        bar.set_position(report.tenants);
        bar.set_message(message(report));
        match advanced {
            Ok(true) => {}
            Ok(false) => {
                bar.finish_and_clear();
                return Ok(report.clone());
            }
            Err(error) => {
                bar.abandon();
                // If it cannot be told, the next one waits.
                let _ = rotation.release().await;
                return Err(error);
            }
        }
    }
}

fn message(report: &RotationReport) -> String {
    format!("{} values sealed anew, {} former keys destroyed", report.values, report.destroyed)
}

/// A report in words.
struct Told<'a> {
    args: &'a RotateArgs,
    report: &'a RotationReport,
    /// Whether ENCRYPTION_KEYS_ACCEPTED can be emptied.
    is_former_free: bool,
}

impl Told<'_> {
    fn as_json(&self) -> String {
        let report = self.report;
        let body = json!({
            "tenantId": self.args.tenant,
            "continuedAfter": report.continued_after,
            "masterKeyReplaced": report.master_replaced,
            "dataKeysRewrapped": report.rewrapped,
            "tenants": report.tenants,
            "values": report.values,
            "formerKeysDestroyed": report.destroyed,
            "unreadable": report.unreadable,
            "tenantsWithFormerKeys": report.kept,
            "acceptedKeysUnused": self.is_former_free,
        });
        format!("{body:#}\n")
    }

    fn as_text(&self) -> anyhow::Result<String> {
        let report = self.report;
        let mut text = String::new();
        if let Some(tenant) = &report.continued_after {
            note(&format!("this went on with a rotation that was interrupted after the tenant {tenant}"));
        }
        if report.master_replaced {
            writeln!(text, "replaced the master key, which wraps all data keys from now on")
                .context("no memory")?;
        }
        let noun = if report.tenants == 1 { "tenant" } else { "tenants" };
        writeln!(text, "rotated the keys of {} {noun}: {}", report.tenants, message(report))
            .context("no memory")?;
        if self.args.master {
            note("back up the key file again: the former one opens nothing any more");
        }
        if self.is_former_free {
            note("nothing is sealed under the keys in ENCRYPTION_KEYS_ACCEPTED any more: remove them");
        }
        Ok(text)
    }

    fn fail_if_incomplete(&self) -> anyhow::Result<()> {
        let (unreadable, kept) = (&self.report.unreadable, &self.report.kept);
        if unreadable.is_empty() && kept.is_empty() {
            return Ok(());
        }
        let places: Vec<&str> = unreadable.iter().map(String::as_str).collect();
        anyhow::bail!(
            "{} values do not open and were left as they are, with the former keys of {} tenants: restore or delete \
             them, then run this again: {}",
            unreadable.len(),
            kept.len(),
            places.join("; ")
        )
    }
}
