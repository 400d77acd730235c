// The handler in a worker thread: reads the tenant's note from a SQLite file, as Jackfield's storage is.
import Database from "better-sqlite3";
import { workerData } from "node:worker_threads";

const database = new Database(workerData.storage, { readonly: true });
const find = database.prepare("SELECT value FROM note WHERE tenant = ? AND key = 'note'").pluck();

export default function ({ tenant }) {
  const note = JSON.parse(find.get(tenant) ?? "null");
  return note === null ? { status: 404, body: { error: "no note" } } : { status: 200, body: { tenant, note } };
}
