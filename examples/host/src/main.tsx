import * as sdk from "@jackfield/plugin-sdk";
import * as React from "react";
import * as ReactDOM from "react-dom";
import * as ReactDOMClient from "react-dom/client";
import * as jsxRuntime from "react/jsx-runtime";
import { App } from "./app";
import "./style.css";

sdk.provideHost({ react: React, reactDom: ReactDOM, reactDomClient: ReactDOMClient, jsxRuntime, sdk });

const root = document.getElementById("root");
if (root === null) throw new Error('index.html needs an element with id "root"');
ReactDOMClient.createRoot(root).render(
  <React.StrictMode>
    <App />
  </React.StrictMode>,
);
