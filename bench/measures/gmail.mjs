// A list of 50 Gmail messages: `GET /api/v1/unified/gmail/emails` beside the same calls made directly with a pooled client.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Connected, Mailbox, asked, direct } from "../tools/gmail.mjs";
import { LOAD_CORE, SERVER_CORE, median, percentile } from "../tools/load.mjs";
import { cpuSeconds, forgetPeak, peakBytes, residentBytes } from "../tools/process.mjs";
import { Provider } from "../tools/provider.mjs";
import { mebibytes, table, thousands } from "../tools/report.mjs";

const MESSAGES = 50;
/** What one listing costs at Gmail: the ids, and each message. */
const CALLS = MESSAGES + 1;
/** Of one listing, as the connector has it. */
const CALLS_AT_ONCE = 8;
/** How long Gmail takes to answer, in milliseconds: nothing, so that the clients' cost is seen, and as a vendor does. */
const DELAYS = [0, 20];
const AT_A_TIME = 5;
const TARGET_MS = 1;
const SETTLE_MS = 3000;
/** Jackfield's own: calls under way for one host, of one tenant, of one connection; waiting, of one tenant and of all. */
const LIMITS = { host: 64, tenant: 48, connection: 10, waitingOfTenant: 500, waiting: 5000 };

/** The three that list, in the order of the report. */
function readers(programs, mailbox, jackfield) {
  const client = (extent) => mailbox.during(() => direct(programs, SERVER_CORE, mailbox, extent));
  return [
    { name: "pooled client, reads", run: client },
    { name: "pooled client, parses", run: (extent) => client({ ...extent, parse: true }) },
    { name: "Jackfield", run: (extent) => mailbox.during(() => through(programs, jackfield, extent)) },
  ];
}

/** As `direct` has it, by way of Jackfield: whose processor time and memory it is. */
async function through(programs, jackfield, extent) {
  const before = cpuSeconds(jackfield.pid);
  forgetPeak(jackfield.pid);
  const { listings, seconds, wall } = await asked(programs, LOAD_CORE, jackfield, extent);
  return { listings, seconds, wall, cpu: (cpuSeconds(jackfield.pid) - before) / listings, peak: peakBytes(jackfield.pid) };
}

/** Takes the readers' turns. Gives for each what all its rounds come to: times in milliseconds, the processor's of one listing. */
async function compared(all, { rounds: count, ...extent }) {
  const runs = all.map(() => []);
  // The first round warms and does not count.
  for (let round = 0; round <= count; round++) {
    for (const [n, reader] of all.entries()) {
      const run = await reader.run(extent);
      if (round > 0) runs[n].push(run);
    }
  }
  return all.map(({ name }, n) => {
    const seconds = runs[n].flatMap((run) => run.seconds);
    return {
      name, listings: seconds.length, quickest: Math.min(...seconds) * 1000, p50: median(seconds) * 1000,
      p99: percentile(seconds, 0.99) * 1000, wall: median(runs[n].map((run) => run.wall)),
      cpu: (runs[n].reduce((sum, run) => sum + run.cpu, 0) / count) * 1000, peak: Math.max(...runs[n].map((run) => run.peak)),
    };
  });
}

/** Everything with a Gmail that takes `delay` milliseconds. */
async function measured(programs, folder, provider, delay, { users, tenants, one, many }) {
  const mailbox = await Mailbox.start(programs, LOAD_CORE, { messages: MESSAGES, delay });
  const home = join(folder, `gmail-${delay}`);
  const jackfield = await Connected.start(programs, home, SERVER_CORE, { provider, mailbox, users, tenants });
  await sleep(SETTLE_MS);
  const idle = residentBytes(jackfield.pid);
  const length = await jackfield.checked(mailbox);
  const all = readers(programs, mailbox, jackfield);
  const alone = await compared(all, { ...one, concurrent: 1 });
  const concurrent = users * AT_A_TIME;
  const together = await compared(all, { ...many, times: concurrent, concurrent });
  await sleep(SETTLE_MS);
  const after = residentBytes(jackfield.pid);
  await jackfield.stop();
  await mailbox.stop();
  return { delay, length, messageBytes: mailbox.messageBytes, alone, together, idle, after };
}

const later = (delay) => (delay === 0 ? "at once" : `after ${delay} ms`);
const microsecondsPerCall = (milliseconds) => ((milliseconds / CALLS) * 1000).toFixed(0);
const ratio = (reader, [first], of) => `${(reader[of] / first[of]).toFixed(2)}×`;
const rounds = (count) => (count === 1 ? "1 round" : `${count} rounds`);

function aloneTable(groups) {
  const rows = groups.flatMap(({ delay, alone }) => alone.map((reader, n) => {
    const added = reader.p50 - alone[0].p50;
    return [
      `${later(delay)}: ${reader.name}`, reader.quickest.toFixed(2), reader.p50.toFixed(2), reader.p99.toFixed(2),
      ...(n === 0 ? ["", ""] : [added.toFixed(2), microsecondsPerCall(added)]),
      reader.cpu.toFixed(2), ratio(reader, alone, "cpu"), microsecondsPerCall(reader.cpu), mebibytes(reader.peak),
    ];
  }));
  return table(["one listing after the other", "quickest ms", "median ms", "p99 ms", "added at the median, ms", "the same per call, µs",
    "processor ms", "to the first", "processor µs per call", "resident, at most"], rows);
}

function togetherTable(groups, concurrent) {
  const rows = groups.flatMap(({ delay, together, idle }) => together.map((reader) => {
    const isJackfield = reader === together.at(-1);
    return [
      `${later(delay)}: ${reader.name}`, reader.wall.toFixed(2), ratio(reader, together, "wall"), reader.p50.toFixed(0),
      reader.p99.toFixed(0), microsecondsPerCall(reader.cpu), ratio(reader, together, "cpu"), mebibytes(reader.peak),
      isJackfield ? mebibytes(reader.peak - idle) : "",
    ];
  }));
  return table([`${thousands(concurrent)} listings at once`, "seconds for all", "to the first", "p50 ms", "p99 ms",
    "processor µs per call", "to the first", "resident, at most", "above idle"], rows);
}

/** What Jackfield adds to the median, in milliseconds, beside the client that only reads or the one that also parses. */
const addedTo = (beside) => ({ alone }) => alone.at(-1).p50 - alone[beside].p50;

function target(name, groups, added) {
  const values = groups.map(added);
  return { name, value: values.map((value) => `${value.toFixed(2)} ms`).join("; "), met: Math.max(...values) < TARGET_MS };
}

function targets(groups) {
  const answers = groups.map(({ delay }) => later(delay)).join("; ");
  const under = `under ${TARGET_MS} ms added at the median`;
  return [
    target(`${under} to a listing of ${MESSAGES}, beside the client that reads (Gmail answers ${answers})`, groups, addedTo(0)),
    target("the same beside the client that parses", groups, addedTo(1)),
    target(`${under} per call to Gmail, the first by ${CALLS}`, groups, (group) => addedTo(0)(group) / CALLS),
  ];
}

/** Measures and gives the section of the report; notes the server's memory after the listings in `memory`. */
export async function gmail({ programs, quick, folder, memory }) {
  const extent = quick ? { users: 10, tenants: 2, one: { rounds: 1, times: 5 }, many: { rounds: 1 } }
    : { users: 100, tenants: 10, one: { rounds: 10, times: 20 }, many: { rounds: 3 } };
  const provider = await Provider.start(folder);
  const groups = [];
  for (const delay of DELAYS) groups.push(await measured(programs, folder, provider, delay, extent));
  await provider.stop();
  memory[`after ${MESSAGES} Gmail messages, many times`] = Math.max(...groups.map(({ after }) => after));

  const concurrent = extent.users * AT_A_TIME;
  const [{ messageBytes, length, alone: [{ listings }] }] = groups;
  const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  const both = (of) => groups.map((group) => mebibytes(of(group))).join(" and ");
  const least = (concurrent * CALLS * Math.max(...DELAYS)) / 1000 / LIMITS.host;
  return {
    title: `A list of ${MESSAGES} Gmail messages`,
    notes: `\`GET /api/v1/unified/gmail/emails?max_results=${MESSAGES}\` beside the same ${CALLS} calls made directly: a page of ids, then ` +
      `each message with \`format=full\`, ${CALLS_AT_ONCE} at a time. Gmail is the benchmark's own, HTTP/1.1 over loopback, its answers encoded ` +
      `once: messages of ${kilobytes(Math.min(...messageBytes))} to ${kilobytes(Math.max(...messageBytes))} with text, HTML and an ` +
      `attachment's metadata. It answers at once, so that what is seen is the clients' cost, or after ${Math.max(...DELAYS)} ms, as a vendor ` +
      `may. Whoever is measured is on core ${SERVER_CORE}; Gmail, and Jackfield's caller, on core ${LOAD_CORE}. The pooled client is reqwest ` +
      "with Jackfield's settings, one thread: it *reads* the messages and keeps their bytes until the listing ends, or *parses* " +
      `each into a \`serde_json::Value\` besides. ${thousands(listings)} listings of each, connections warm, in ${rounds(extent.one.rounds)}, taking ` +
      "turns. SQLite, rate limits off.\n\n" +
      `*Added at the median* is the median of the listings through Jackfield, less that of the client that reads. Jackfield's times are its ` +
      `caller's, up to the last byte of an answer of ${kilobytes(length)}, so the way to Jackfield and back is in it. *Per call* is ` +
      `by ${CALLS}; as calls overlap, none of them is later by so much. The processor's time is the client's own or Jackfield's, ` +
      "without the caller's. Only Jackfield also checks its caller, finds the connection, has its token from the vault for each " +
      "call, keeps to its limits of calls, makes items of the messages (their text and HTML out of MIME and base64) and JSON of these, " +
      "puts the use on record, and counts metrics.\n\n" +
      `At once: ${thousands(concurrent)} listings, ${thousands(concurrent * CALLS)} calls, of ${extent.users} users with a connection each, ` +
      `${AT_A_TIME} by each of them, of ${extent.tenants} tenants; ${rounds(extent.many.rounds)}, taking turns. None failed, and Gmail counted ` +
      "exactly the calls of the listings: the benchmark ends where one is refused, left out or repeated. Jackfield has " +
      `at most ${LIMITS.host} calls under way at a host, ${LIMITS.tenant} of them for one tenant and ${LIMITS.connection} with one connection, ` +
      `and the tenants take turns; the client has ${LIMITS.host} too, first come, first served. So with answers after ` +
      `${Math.max(...DELAYS)} ms neither can be done before ${least.toFixed(1)} s. Of calls that wait, Jackfield takes ` +
      `${LIMITS.waitingOfTenant} of one tenant and ${thousands(LIMITS.waiting)} in all for a host, ${CALLS_AT_ONCE} by each listing: with a single tenant, some of so ` +
      `many listings would be refused. *Above idle* is beyond the ${both(({ idle }) => idle)} that were resident before any listing; ` +
      `${SETTLE_MS / 1000} s after all of them, ${both(({ after }) => after)} were.`,
    table: [aloneTable(groups), togetherTable(groups, concurrent)].join("\n\n"),
    targets: targets(groups),
  };
}
