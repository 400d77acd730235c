// Takes what is delivered, and tells by a line once as many have come as it was told to wait for.
import { createServer } from "node:http";

const { PORT, EXPECTED } = process.env;
let came = 0;
createServer((request, answer) => {
  request.resume().on("end", () => {
    answer.writeHead(204).end();
    came += 1;
    if (came % Number(EXPECTED) === 0) console.log(JSON.stringify({ came, at: Date.now() }));
  });
}).listen(Number(PORT), "127.0.0.1", () => console.log(JSON.stringify({ port: Number(PORT) })));
