//! `jackfield lexmodo customers`.

use std::fmt::Write as _;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use connectors::lexmodo::{Customer, Query};
use connectors::{Asker, Connectors};
use futures::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::print;
use crate::remote::{clean, note};

/// Who asks, for the record.
const ACTOR: &str = "operator";
/// How many customers are asked for at a time.
const PAGE: u32 = 200;

#[derive(Debug, Args)]
pub(crate) struct CustomersArgs {
    /// The store's number.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    store: u64,
    /// Only those of this rule, in the platform's own words.
    #[arg(long)]
    rule: Option<String>,
    /// Only those of this rule that the store has saved, by its id.
    #[arg(long, value_name = "ID")]
    rule_id: Option<String>,
    /// Print JSON, a line for each customer.
    #[arg(long)]
    json: bool,
}

/// Prints all customers, page by page as they come.
pub(super) async fn run(connectors: &Connectors, args: CustomersArgs) -> anyhow::Result<ExitCode> {
    let asker = Asker {
        tenant: format!("lexmodo:{}", args.store).parse()?,
        actor: ACTOR.to_owned(),
        user_email: String::new(),
        connection: None,
    };
    let query = Query { rule_id: args.rule_id, rule: args.rule, page_size: Some(PAGE) };
    let progress = progress()?;
    let mut pages = pin!(connectors.lexmodo().stream(&asker, query).await?);
    let listed = async {
        while let Some(page) = pages.try_next().await? {
            let text = told(&page, args.json)?;
            // The line of the progress would stand in the middle of what is printed.
            progress.suspend(|| print(&text))?;
            progress.inc(u64::try_from(page.len())?);
        }
        anyhow::Ok(())
    };
    let outcome = listed.await;
    let count = progress.position();
    progress.finish_and_clear();
    outcome.with_context(|| format!("the listing broke off after {count} customers"))?;
    note(&format!("{count} customers"));
    Ok(ExitCode::SUCCESS)
}

/// Shown on a terminal alone.
fn progress() -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{spinner} {human_pos} customers, {per_sec}");
    let bar = ProgressBar::new_spinner().with_style(style.context("the progress's template")?);
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}

fn told(page: &[Customer], is_json: bool) -> anyhow::Result<String> {
    let mut text = String::new();
    for customer in page {
        if is_json {
            writeln!(text, "{}", serde_json::to_string(customer)?).context("no memory")?;
        } else {
            let name = name(customer);
            let fields = [&Some(customer.id.clone()), &name, &customer.email, &customer.phone_number];
            writeln!(text, "{}", fields.map(|field| shown(field.as_deref())).join("  "))
                .context("no memory")?;
        }
    }
    Ok(text)
}

/// What the platform tells is its users' text: it stays on its line.
fn shown(field: Option<&str>) -> String {
    field.map_or_else(|| "-".to_owned(), |text| clean(text).replace('\n', " "))
}

fn name(customer: &Customer) -> Option<String> {
    customer.full_name.clone().or_else(|| {
        let parts: Vec<&str> =
            [&customer.first_name, &customer.last_name].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    })
}
