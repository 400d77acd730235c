//! What came of revoking many connections, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use connections::{ProviderReport, RevocationRun, RunReport};
use serde_json::{Map, Value, json};

/// The report in words.
pub(super) fn as_text(report: &RunReport) -> anyhow::Result<String> {
    let (at_provider, only_here) = (report.at_provider(), report.only_here());
    let mut text = String::new();
    let total = at_provider + only_here;
    writeln!(text, "revoked {total} connections: {at_provider} at their providers, {only_here} only here")
        .context("no memory")?;
    for (provider, part) in &report.providers {
        write_part(&mut text, provider, part).context("no memory")?;
    }
    if total > 0 {
        text.push_str("running servers forget the opened tokens within 30 seconds\n");
    }
    Ok(text)
}

fn write_part(text: &mut String, provider: &str, part: &ProviderReport) -> std::fmt::Result {
    writeln!(text, "{provider}")?;
    if part.at_provider > 0 {
        writeln!(text, "{:>8}  revoked at the provider", part.at_provider)?;
    }
    for (reason, count) in &part.only_here {
        writeln!(text, "{count:>8}  only here: {reason}")?;
    }
    for (reason, count) in &part.not_deleted {
        writeln!(text, "{count:>8}  not deleted: {reason}")?;
    }
    if part.left > 0 {
        writeln!(text, "{:>8}  left", part.left)?;
    }
    Ok(())
}

/// The report as one JSON document.
pub(super) fn as_json(run: &RevocationRun, report: &RunReport) -> String {
    let providers: Map<String, Value> = report
        .providers
        .iter()
        .map(|(provider, part)| {
            let body = json!({
                "at_provider": part.at_provider,
                "only_here": reasons(&part.only_here),
                "not_deleted": reasons(&part.not_deleted),
                "left": part.left,
            });
            (provider.clone(), body)
        })
        .collect();
    let body = json!({
        "id": run.id,
        "started_at": run.started_at,
        "continued": run.is_continued,
        "finished": report.is_finished,
        "tenant": run.filter.tenant,
        "provider": run.filter.provider,
        "user_email": run.filter.user_email,
        "before": run.filter.before,
        "at_provider": report.at_provider(),
        "only_here": report.only_here(),
        "left": report.left(),
        "providers": providers,
    });
    format!("{body:#}\n")
}

fn reasons(counts: &BTreeMap<String, i64>) -> Vec<Value> {
    counts.iter().map(|(reason, count)| json!({"reason": reason, "connections": count})).collect()
}
