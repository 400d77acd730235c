// Serving one bundle of about 30 KB to 64 connections, beside nginx serving the same bytes with the same headers.
//
// Each server has one worker thread or process, pinned to one core; wrk has the other. They take turns. The processor's
// time is the server's own, user and kernel, from /proc/PID/stat, so what else runs on the machine weighs little in it.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Server } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, load, together } from "../tools/load.mjs";
import { Nginx } from "../tools/nginx.mjs";
import { residentBytes } from "../tools/process.mjs";
import { table, thousands } from "../tools/report.mjs";

const CONNECTIONS = 64;
const TARGET_RATIO = 1.2;
const LANGUAGES = ["en", "de", "fr", "es", "it", "pl"];

/** A field to choose a country in, with the names of all countries as Unicode has them: a real plugin of 30 KB. */
function countryField() {
  const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  const codes = letters.flatMap((first) => letters.map((second) => first + second));
  const names = new Map(LANGUAGES.map((language) =>
    [language, new Intl.DisplayNames([language], { type: "region", fallback: "none" })]));
  const countries = Object.fromEntries([...names].map(([language, name]) =>
    [language, Object.fromEntries(codes.map((code) => [code, name.of(code)]).filter(([, found]) => found))]));
  return {
    id: "country-field",
    name: "Country field",
    version: "1.0.0",
    category: "checkout",
    files: {
      "src/index.tsx": `
        import { definePlugin } from "@jackfield/plugin-sdk";
        import { useState } from "react";
        import countries from "./countries.json";

        function CountryField({ language = "en" }: { language?: keyof typeof countries }) {
          const [country, setCountry] = useState("DE");
          return (
            <select value={country} onChange={(event) => setCountry(event.target.value)}>
              {Object.entries(countries[language]).map(([code, name]) => <option key={code} value={code}>{name}</option>)}
            </select>
          );
        }

        export default definePlugin({
          id: "country-field", name: "Country field", version: "1.0.0",
          extensionPoints: { "checkout.address": CountryField },
        });
      `,
      "src/countries.json": JSON.stringify(countries),
    },
  };
}

async function fetched(url, encoding) {
  // fetch would undo the coding.
  const { get } = await import("node:http");
  return new Promise((resolve, reject) => {
    get(url, { headers: { "accept-encoding": encoding } }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve(Buffer.concat(parts)));
    }).on("error", reject);
  });
}

/** Measures and gives the section of the report; notes the server's memory after the load in `memory`. */
export async function serving({ programs, quick, folder, memory }) {
  const [rounds, seconds] = quick ? [1, 2] : [3, 10];
  const home = join(folder, "serving");
  mkdirSync(join(home, "files"), { recursive: true });
  const jackfield = await Server.start(programs.jackfield, home, SERVER_CORE);
  const { bundleUrl } = await jackfield.publish(countryField());
  const path = new URL(bundleUrl).pathname;
  const sizes = {};
  for (const [encoding, file] of [["identity", "bundle.js"], ["br", "bundle.js.br"]]) {
    const content = await fetched(bundleUrl, encoding);
    sizes[encoding] = content.length;
    writeFileSync(join(home, "files", file), content);
  }
  const nginx = await Nginx.start(home, SERVER_CORE);

  const contenders = {
    "nginx, identity": [`${nginx.base}/bundle.js`, "identity", nginx.pids],
    "Jackfield, identity": [`${jackfield.base}${path}`, "identity", [jackfield.pid]],
    "nginx, br": [`${nginx.base}/bundle.js.br`, "br", nginx.pids],
    "Jackfield, br": [`${jackfield.base}${path}`, "br", [jackfield.pid]],
  };
  const runs = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, [url, encoding, pids]] of Object.entries(contenders)) {
      const headers = { "accept-encoding": encoding };
      runs[name].push(await load(url, { connections: CONNECTIONS, seconds, headers, pids }));
    }
  }
  memory["after serving bundles"] = residentBytes(jackfield.pid);
  await Promise.all([jackfield.stop(), nginx.stop()]);

  const figures = Object.fromEntries(Object.entries(runs).map(([name, list]) => [name, together(list)]));
  const ratio = (encoding) =>
    figures[`Jackfield, ${encoding}`].cpuMicroseconds / figures[`nginx, ${encoding}`].cpuMicroseconds;
  const target = (encoding) => ({
    name: `serving ${encoding}, processor time per request at most ${TARGET_RATIO} times nginx's`,
    value: ratio(encoding).toFixed(2),
    met: ratio(encoding) <= TARGET_RATIO,
  });
  return {
    title: "Serving a bundle to 64 connections",
    notes: `${thousands(sizes.identity)} bytes, ${thousands(sizes.br)} in br; the same bytes and headers from both. ` +
      `${rounds} runs of ${seconds} s each, taking turns. One thread or process each, on core ${SERVER_CORE}; wrk on ` +
      `core ${LOAD_CORE}. nginx: sendfile, open_file_cache, no log.`,
    table: table(["", "requests/s", "p50 ms", "p99 ms", "processor µs per request"],
      Object.entries(figures).map(([name, { perSecond, p50, p99, cpuMicroseconds }]) =>
        [name, thousands(perSecond), p50.toFixed(2), p99.toFixed(2), cpuMicroseconds.toFixed(1)])),
    targets: [target("identity"), target("br")],
  };
}
