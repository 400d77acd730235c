import { definePlugin } from "@jackfield/plugin-sdk";
import { CardForm } from "./card-form";
import { Settings } from "./settings";
import "./style.css";

export default definePlugin({
  name: "Card payments",
  version: "1.2.0",
  description: "A card form for the checkout: checks number, expiry and security code while the customer types, keeps what was paid, and hears of it from the processor.",
  category: "payment",
  metadata: { author: "Jackfield examples", displayName: "Card", priority: 10 },
  extensionPoints: {
    "payment-methods": CardForm,
    "admin-settings": Settings,
  },
});
