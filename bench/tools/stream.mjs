// A follower of server-sent events.

/** Opens a stream; `next()` gives its next message as `{ id, event, data }`, with the data read as JSON. */
export async function follow(url, authorization) {
  const ending = new AbortController();
  const answer = await fetch(url, { headers: { authorization, accept: "text/event-stream" }, signal: ending.signal });
  if (answer.status !== 200) throw new Error(`${url} answers ${answer.status}: ${await answer.text()}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const next = async () => {
    for (;;) {
      const end = text.indexOf("\n\n");
      if (end >= 0) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        const fields = Object.fromEntries(block.split("\n").filter((line) => !line.startsWith(":")).map((line) => {
          const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
          return [name, value];
        }));
        if (fields.data !== undefined) return { ...fields, data: JSON.parse(fields.data) };
        continue;
      }
      const { value, done } = await reader.read();
      if (done) throw new Error("the stream has ended");
      text += value;
    }
  };
  return { next, close: () => ending.abort() };
}
