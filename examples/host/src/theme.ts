import { createContext } from "react";

/** Given to plugins by the platform SDK; both sides hold the same context object. */
export const ThemeContext = createContext<Theme>("light");
