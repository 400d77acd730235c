// An nginx of the benchmark's own: one worker, no log, files and their descriptors cached.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { children, freePort, start, stop, until } from "./process.mjs";

/** The headers that Jackfield sends with a bundle, so that both put the same on the wire. */
const HEADERS = [
  ['Cache-Control', 'public, max-age=31536000, immutable'],
  ['Vary', 'accept-encoding'],
  ['Access-Control-Allow-Origin', '*'],
  ['Cross-Origin-Resource-Policy', 'cross-origin'],
  ['X-Content-Type-Options', 'nosniff'],
];

/** What all have in common, around a server of the given lines. */
function configuration(folder, port, server, outside = "") {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${folder}/tmp_${kind};`).join(" ");
  return `
${process.getuid() === 0 ? "user root;" : ""}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.log;
events { worker_connections 1024; }
http {
  ${temporary}
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  default_type text/javascript;
  ${outside}
  server {
    listen 127.0.0.1:${port};
    ${server}
  }
}
`;
}

function files(folder) {
  const headers = HEADERS.map(([name, value]) => `add_header ${name} "${value}";`).join("\n      ");
  return `
    root ${folder}/files;
    open_file_cache max=1000;
    open_file_cache_valid 60s;
    location / {
      ${headers}
    }
    # nginx has no module for br of its own: the file is served under a name of its own, with the header.
    location ~ \\.br$ {
      ${headers}
      add_header Content-Encoding br;
    }`;
}

/** Passes everything on over connections that are kept, as its documentation has it. */
const PASS_ON = `
    location / {
      proxy_pass http://behind;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }`;

export class Nginx {
  constructor(base, child) {
    Object.assign(this, { base, child });
  }

  /** Serves the folder `files` in `folder`. */
  static start(folder, cores) {
    return Nginx.#run(folder, cores, files(folder));
  }

  /** Answers every request with 13 bytes. */
  static answering(folder, cores) {
    return Nginx.#run(folder, cores, `location / { return 200 "Hello, world!"; }`);
  }

  /** Passes everything on to the server at `base`. */
  static proxying(folder, cores, base) {
    return Nginx.#run(folder, cores, PASS_ON, `upstream behind { server ${new URL(base).host}; keepalive 128; }`);
  }

  static async #run(folder, cores, server, outside) {
    const port = await freePort();
    const file = join(folder, "nginx.conf");
    writeFileSync(file, configuration(folder, port, server, outside));
    const args = ["-c", file, "-e", join(folder, "nginx.log"), "-g", "daemon off;"];
    const child = start(cores, "nginx", args, { stdio: "ignore" });
    const nginx = new Nginx(`http://127.0.0.1:${port}`, child);
    await until("nginx", async () => (await fetch(nginx.base).catch(() => undefined)) !== undefined);
    return nginx;
  }

  /** The processes that serve. */
  get pids() {
    return children(this.child.pid);
  }

  stop() {
    return stop(this.child);
  }
}
