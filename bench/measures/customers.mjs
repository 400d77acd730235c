// Streaming a store's customers: `GET /lexmodo/customers/stream` beside clients that read the same listing themselves.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Connected, Upstream, grpcio, plain, pythonClient, read } from "../tools/lexmodo.mjs";
import { LOAD_CORE, SERVER_CORE, median } from "../tools/load.mjs";
import { cpuSeconds, forgetPeak, peakBytes, residentBytes } from "../tools/process.mjs";
import { Provider } from "../tools/provider.mjs";
import { mebibytes, table, thousands } from "../tools/report.mjs";

const CUSTOMERS = 10_000;
const SIZES = [1000, CUSTOMERS, 100_000];
/** The default of the route, and its most. */
const PAGE_SIZES = [100, 1000];
const TARGET_RATIO = 1.3;
/** How much more memory the longest listing may take than the shortest. */
const FLAT_BYTES = 2 * 1024 * 1024;
const SLOW_BYTES_PER_SECOND = 4 * 1024 * 1024;
const SETTLE_MS = 3000;
const MIB = 1024 * 1024;

/** Fails unless the stream has every customer once, a line each. Gives its length. */
async function checked(jackfield, pageSize, customers) {
  const answer = await fetch(jackfield.stream(pageSize));
  const text = await answer.text();
  const ids = new Set(text.trimEnd().split("\n").map((line) => JSON.parse(line).customer_id));
  if (answer.status !== 200 || ids.size !== customers || !text.endsWith("\n") || text.split("\n").length !== customers + 1) {
    throw new Error(`the stream answers ${answer.status} with ${ids.size} customers of ${customers}: ${text.slice(-500)}`);
  }
  return text.length;
}

/** Has Jackfield stream the listing so many times. */
async function streamed(jackfield, { pageSize, times }) {
  const before = cpuSeconds(jackfield.pid);
  const listings = [];
  for (let n = 0; n < times; n++) listings.push(await read(jackfield.stream(pageSize), LOAD_CORE));
  const cpu = (cpuSeconds(jackfield.pid) - before) / times;
  return { listings: listings.map(({ seconds }) => ({ customers: CUSTOMERS, seconds, cpu })), peak: peakBytes(jackfield.pid) };
}

/** The four that read one listing, in the order of the report. */
function readers(programs, upstream, jackfield, pageSize) {
  const pages = { pageSize };
  return [
    { name: "plain tonic client, counts", run: (times) => plain(programs, SERVER_CORE, upstream, { ...pages, times }) },
    { name: "plain tonic client, NDJSON to /dev/null", run: (times) => plain(programs, SERVER_CORE, upstream, { ...pages, times, ndjson: true }) },
    { name: "Jackfield, NDJSON to curl", run: (times) => streamed(jackfield, { ...pages, times }) },
    { name: "Python grpcio client, counts", run: (times) => pythonClient(SERVER_CORE, upstream, { ...pages, times: Math.ceil(times / 4) }) },
  ];
}

/** Takes the readers' turns. Gives for each its seconds and the processor's for a listing, the median; and its peak in bytes. */
async function compared(all, { rounds, times }) {
  const runs = all.map(() => []);
  // The first round warms and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const [n, reader] of all.entries()) {
      const run = await reader.run(round === 0 ? 4 : times);
      const wrong = run.listings.find(({ customers }) => customers !== CUSTOMERS);
      if (wrong) throw new Error(`${reader.name}: ${JSON.stringify(wrong)}`);
      if (round > 0) runs[n].push(run);
    }
  }
  return all.map(({ name }, n) => {
    const listings = runs[n].flatMap((run) => run.listings);
    return {
      name, listings: listings.length, seconds: median(listings.map(({ seconds }) => seconds)),
      quickest: Math.min(...listings.map(({ seconds }) => seconds)), cpu: median(listings.map(({ cpu }) => cpu)), peak: Math.max(...runs[n].map((run) => run.peak)),
    };
  });
}

/** Jackfield's memory above idle while it streams that many customers: a server of its own, and its first listing. */
async function memoryOf(programs, folder, provider, customers, bytesPerSecond) {
  const upstream = await Upstream.fast(programs, LOAD_CORE, customers);
  const home = join(folder, `customers-${customers}-${bytesPerSecond ?? "fast"}`);
  const jackfield = await Connected.start(programs, home, SERVER_CORE, provider, upstream);
  await sleep(SETTLE_MS);
  const idle = residentBytes(jackfield.pid);
  forgetPeak(jackfield.pid);
  const { seconds, bytes } = await read(jackfield.stream(PAGE_SIZES[0]), LOAD_CORE, bytesPerSecond);
  const above = peakBytes(jackfield.pid) - idle;
  await jackfield.stop();
  await upstream.stop();
  return { customers, idle, above, seconds, bytes, isSlow: bytesPerSecond !== undefined };
}

async function memory(programs, folder, provider, sizes) {
  const all = [];
  for (const size of sizes) all.push(await memoryOf(programs, folder, provider, size));
  all.push(await memoryOf(programs, folder, provider, sizes.at(-1), SLOW_BYTES_PER_SECOND));
  return all;
}

const milliseconds = (seconds) => (seconds * 1000).toFixed(1);
const oneDecimal = (bytes) => `${(bytes / MIB).toFixed(1)} MiB`;

function timesTable(groups) {
  const rows = groups.flatMap(({ name, figures }) => figures.map((reader) => [
    `${name}: ${reader.name}`, milliseconds(reader.quickest), milliseconds(reader.seconds), `${(reader.seconds / figures[0].seconds).toFixed(2)}×`,
    milliseconds(reader.cpu), `${(reader.cpu / figures[0].cpu).toFixed(2)}×`, mebibytes(reader.peak),
  ]));
  return table(["", "quickest ms", "median ms", "to the first", "processor ms", "to the first", "resident, at most"], rows);
}

function memoryTable(all) {
  const row = ({ customers, isSlow, seconds, bytes, idle, above }) => [
    `${thousands(customers)} customers${isSlow ? ", read slowly" : ""}`, oneDecimal(bytes), seconds.toFixed(2), oneDecimal(idle), oneDecimal(above),
  ];
  return table(["Jackfield's memory", "the answer", "seconds", "resident, idle", "at most above it"], all.map(row));
}

/** Measures and gives the section of the report; notes the server's memory after the streams in `memory`. */
export async function customers({ programs, quick, folder, memory: notes }) {
  const extent = quick ? { rounds: 1, times: 4 } : { rounds: 10, times: 12 };
  const sizes = quick ? SIZES.slice(0, 2) : SIZES;
  const provider = await Provider.start(folder);
  const flat = await memory(programs, folder, provider, sizes);

  const upstream = await Upstream.fast(programs, LOAD_CORE, CUSTOMERS);
  const jackfield = await Connected.start(programs, join(folder, "customers"), SERVER_CORE, provider, upstream);
  const groups = [];
  let length;
  for (const pageSize of PAGE_SIZES) {
    length = await checked(jackfield, pageSize, CUSTOMERS);
    groups.push({ name: `pages of ${thousands(pageSize)}`, figures: await compared(readers(programs, upstream, jackfield, pageSize), extent) });
  }
  notes["after GET /lexmodo/customers/stream"] = residentBytes(jackfield.pid);
  await jackfield.stop();
  await upstream.stop();

  const slow = await Upstream.python(LOAD_CORE, CUSTOMERS);
  const behind = await Connected.start(programs, join(folder, "customers-python"), SERVER_CORE, provider, slow);
  const [counting, , streaming] = readers(programs, slow, behind, PAGE_SIZES[0]);
  await checked(behind, PAGE_SIZES[0], CUSTOMERS);
  const few = { rounds: extent.rounds, times: 4 };
  groups.push({ name: `Python's server, pages of ${PAGE_SIZES[0]}`, figures: await compared([counting, streaming], few) });
  await behind.stop();
  await slow.stop();
  await provider.stop();

  const [{ figures: [counts, writes, streams] }] = groups;
  const [ratio, fairer] = [streams.seconds / counts.seconds, streams.seconds / writes.seconds];
  const [cpuRatio, cpuFairer] = [streams.cpu / counts.cpu, streams.cpu / writes.cpu];
  const rise = flat.find(({ isSlow, customers }) => !isSlow && customers === sizes.at(-1)).above - flat[0].above;
  return {
    title: `Streaming ${thousands(CUSTOMERS)} customers`,
    notes: `\`GET /lexmodo/customers/stream\` of a store that was connected by the handshake, SQLite, ${oneDecimal(length)} of NDJSON read by ` +
      "curl and thrown away, beside clients that read the same listing themselves, page by page. Whoever is measured is on core " +
      `${SERVER_CORE}; the customers server, and curl, on core ${LOAD_CORE}. The customers server is the benchmark's, in tonic, with ` +
      "pages that are encoded once, so that what is seen is the readers' cost; the last group is of the tests' server in Python " +
      `instead. The plain clients (one thread) and Jackfield read ${groups[0].figures[0].listings} times, Python ` +
      `${groups[0].figures[3].listings} times (${grpcio()}, a process each time), in ${extent.rounds} ${extent.rounds === 1 ? "round" : "rounds"}, taking turns. Median of the wall's time, which ` +
      "for Jackfield is curl's, its connection included; the processor's time is the reader's own, without curl's, and what other programs of the machine disturb less. *Counts* " +
      "decodes the answers and counts the customers; *NDJSON* also writes the six fields with serde_json, page by page, as the " +
      "stream has them. Only Jackfield also checks the session, the store's token in the vault before each page, and whether a " +
      "page came before, and counts metrics.\n\n" +
      `Memory: a server of its own for each line, its first listing, and the most that was resident above idle meanwhile. Slowly is ${oneDecimal(SLOW_BYTES_PER_SECOND)}/s.`,
    table: [timesTable(groups), memoryTable(flat)].join("\n\n"),
    targets: [{
      name: `streaming ${thousands(CUSTOMERS)} customers within ${TARGET_RATIO} times the plain client that counts: processor; wall`,
      value: `${cpuRatio.toFixed(2)}×; ${ratio.toFixed(2)}×`, met: Math.max(cpuRatio, ratio) <= TARGET_RATIO,
    }, {
      name: "the same beside the plain client that writes NDJSON too: processor; wall",
      value: `${cpuFairer.toFixed(2)}×; ${fairer.toFixed(2)}×`, met: Math.max(cpuFairer, fairer) <= TARGET_RATIO,
    }, {
      name: `memory flat: above idle, ${thousands(sizes.at(-1))} customers at most ${mebibytes(FLAT_BYTES)} more than ${thousands(sizes[0])}`,
      value: oneDecimal(rise), met: rise <= FLAT_BYTES,
    }],
  };
}
