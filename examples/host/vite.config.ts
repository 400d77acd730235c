import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // Plugins read the page's React by name, so the page must have one copy.
  resolve: { dedupe: ["react", "react-dom"] },
  build: { target: "es2022", sourcemap: true },
});
