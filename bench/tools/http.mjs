// Requests as a browser's that is driven by hand.
import { request } from "node:http";

/** A request that follows nothing. */
function ask(url, { method = "GET", headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const asking = request(url, { method, headers, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => (text += piece));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, text })).on("error", reject);
    });
    asking.on("error", reject).end();
  });
}

/** Fails unless the answer has that status. */
export async function expect(status, url, options) {
  const answer = await ask(url, options);
  if (answer.status !== status) throw new Error(`${url} answers ${answer.status} instead of ${status}: ${answer.text}`);
  return answer;
}

/** What a browser sends back of the cookies that an answer has set. */
export function cookiesOf(answer) {
  return answer.headers["set-cookie"].map((each) => each.split(";", 1)[0]).join("; ");
}
