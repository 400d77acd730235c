import { definePlugin, usePlatformSDK, usePluginConfig } from "@jackfield/plugin-sdk";
import { useEffect, useState } from "react";
import { name, version } from "../plugin.json";
import "./style.css";

/** What the configSchema in plugin.json describes. */
interface Config {
  greeting?: string;
}

/** What the handlers in backend/index.ts answer. */
interface Clicks {
  clicks: number;
}

function Component() {
  const { config } = usePluginConfig<Config>();
  const { backend } = usePlatformSDK();
  const [clicks, setClicks] = useState<number>();
  const [failure, setFailure] = useState("");

  const show = (answer: Promise<Clicks>) =>
    answer.then(
      (found) => {
        setFailure("");
        setClicks(found.clicks);
      },
      (error: unknown) => setFailure(error instanceof Error ? error.message : String(error)),
    );
  useEffect(() => void show(backend.get<Clicks>("/clicks")), [backend]);

  return (
    <section className="__CLASS__">
      <p>{config.greeting ?? "Hello"}</p>
      <button type="button" onClick={() => void show(backend.post<Clicks>("/clicks", { count: 1 }))}>
        Clicked {clicks ?? "…"} times by all
      </button>
      {failure !== "" && <p role="alert">{failure}</p>}
    </section>
  );
}

export default definePlugin({
  name,
  version,
  extensionPoints: { "__POINT__": Component },
});
