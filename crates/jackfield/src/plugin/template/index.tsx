import { definePlugin, usePluginConfig } from "@jackfield/plugin-sdk";
import { useState } from "react";
import { name, version } from "../plugin.json";
import "./style.css";

/** What the configSchema in plugin.json describes. */
interface Config {
  greeting?: string;
}

function Component() {
  const { config } = usePluginConfig<Config>();
  const [clicks, setClicks] = useState(0);
  return (
    <section className="__CLASS__">
      <p>{config.greeting ?? "Hello"}</p>
      <button type="button" onClick={() => setClicks(clicks + 1)}>
        Clicked {clicks} times
      </button>
    </section>
  );
}

export default definePlugin({
  name,
  version,
  extensionPoints: { "__POINT__": Component },
});
