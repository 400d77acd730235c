import { definePlugin, registerExtensionPoint } from "@jackfield/plugin-sdk";
import "./style.css";
import { Widget } from "./widget";

registerExtensionPoint("dashboard-widgets", Widget);

export default definePlugin({
  name: "Sales dashboard",
  version: "1.1.0",
  description: "Revenue and orders of the last days, beside a goal of your own, and payments as they come in.",
  category: "analytics",
  metadata: { author: "Jackfield examples", displayName: "Sales", priority: 20 },
});
