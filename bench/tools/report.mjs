// The report: Markdown.
import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { version as esbuild } from "esbuild";
import { FastApi } from "./fastapi.mjs";
import { Fastify } from "./fastify.mjs";
import { Postgres } from "./postgres.mjs";

/** A table; the first column is text, the others are figures. */
export function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, n) => (n === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

export const thousands = (value) => Math.round(value).toLocaleString("en");
export const mebibytes = (bytes) => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;

function said(program, ...args) {
  // nginx and wrk tell their version on standard error, wrk as a failure.
  return execFileSync("sh", ["-c", '"$@" 2>&1 || true', "sh", program, ...args], { encoding: "utf8" }).trim();
}

const commit = () => said("git", "describe", "--always", "--dirty");

function machine() {
  const [{ model }] = cpus();
  return [
    ["Machine", `${cpus().length} × ${model.trim()}, ${mebibytes(totalmem())}, Linux ${release().split(".", 2).join(".")}`],
    ["Jackfield", `release build, ${said("rustc", "--version")}`],
    ["nginx", said("nginx", "-v").split("/")[1]],
    ["PostgreSQL", Postgres.version()],
    ["esbuild", `${esbuild} on Node ${process.version}`],
    ["FastAPI", FastApi.version()],
    ["Fastify", Fastify.version()],
    ["wrk", said("wrk", "-v").split("\n")[0].split(" ").slice(0, 2).join(" ")],
  ];
}

/** When a section was measured, of what, and how busy the machine was with other things. */
function circumstances() {
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  return `*${date} UTC, Jackfield ${commit()}, load average at the start ${loadavg().map((value) => value.toFixed(2)).join(" ")}.*`;
}

function targetsOf(targets) {
  const row = ({ name, value, met }) => [name, value, met ? "met" : "**missed**"];
  return targets.length > 0 ? [table(["target", "measured", ""], targets.map(row))] : [];
}

/** What `## ` begins, by its title. */
function sectionsOf(text) {
  const parts = text.split(/^## /m).slice(1).map((part) => part.trimEnd());
  return new Map(parts.map((part) => [part.split("\n", 1)[0], `## ${part}`]));
}

export class Report {
  #machine = machine();
  #sections = [];

  /** Has `measure` make a section. */
  async add(measure) {
    const measured = circumstances();
    const { title, notes, targets, table } = await measure();
    this.#sections.push([title, [`## ${title}`, measured, notes, ...targetsOf(targets), table].join("\n\n")]);
  }

  /** The page: what was measured now, and what `former`, an earlier page, has beside it. */
  toString(former = "") {
    const sections = sectionsOf(former);
    for (const [title, text] of this.#sections) sections.set(title, text);
    return [
      "# Measured",
      "`make bench` writes this page. Everything is measured over loopback; peers take turns with Jackfield, so that within " +
        "a section the figures compare. Each section says when it was taken: `bench/run --only` takes one anew.",
      table(["", ""], this.#machine),
      ...sections.values(),
    ].join("\n\n") + "\n";
  }
}
