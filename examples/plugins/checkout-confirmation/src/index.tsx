import { definePlugin } from "@jackfield/plugin-sdk";
import { Confirmation } from "./confirmation";
import "./style.css";

export default definePlugin({
  name: "Checkout confirmation",
  version: "1.0.0",
  description: "Thanks the customer, sums up the order and prints a receipt.",
  category: "checkout",
  metadata: { author: "Jackfield examples", displayName: "Confirmation", priority: 10 },
  extensionPoints: { "checkout-confirmation": Confirmation },
});
