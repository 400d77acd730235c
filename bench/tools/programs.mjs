// The programs that are measured, built for release.
import { execFileSync } from "node:child_process";

/** Builds what is not built yet, and gives the programs' paths by name. */
export function programs() {
  // Both in one go, so that their dependencies have the same features and are built once.
  const args = ["build", "--release", "-p", "jackfield", "-p", "bench", "--message-format=json-render-diagnostics"];
  const text = execFileSync("cargo", args, {
    encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 64 * 1024 * 1024,
  });
  const messages = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const built = messages.filter((message) => message.executable);
  return Object.fromEntries(built.map(({ target, executable }) => [target.name, executable]));
}
