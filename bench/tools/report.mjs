// The report: Markdown.
import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { version as esbuild } from "esbuild";
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

function machine() {
  const [{ model }] = cpus();
  return [
    ["Date", new Date().toISOString().slice(0, 16).replace("T", " ") + " UTC"],
    ["Machine", `${cpus().length} × ${model.trim()}, ${mebibytes(totalmem())}, Linux ${release().split(".", 2).join(".")}`],
    ["Load average at the start", loadavg().map((value) => value.toFixed(2)).join(" ")],
    ["Jackfield", `${said("git", "describe", "--always", "--dirty")}, release build, ${said("rustc", "--version")}`],
    ["nginx", said("nginx", "-v").split("/")[1]],
    ["PostgreSQL", Postgres.version()],
    ["esbuild", `${esbuild} on Node ${process.version}`],
    ["wrk", said("wrk", "-v").split("\n")[0].split(" ").slice(0, 2).join(" ")],
  ];
}

export class Report {
  #machine = machine();
  #sections = [];

  add(section) {
    this.#sections.push(section);
  }

  toString() {
    const targets = this.#sections.flatMap((section) => section.targets);
    const row = ({ name, value, met }) => [name, value, met ? "met" : "**missed**"];
    return [
      "# Measured",
      "`make bench` writes this page. Everything in it is of one run on one machine, over loopback; peers take turns " +
        "with Jackfield.",
      table(["", ""], this.#machine),
      "## Targets",
      table(["target", "measured", ""], targets.map(row)),
      ...this.#sections.flatMap(({ title, notes, table }) => [`## ${title}`, notes, table]),
    ].join("\n\n") + "\n";
  }
}
