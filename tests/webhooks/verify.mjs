// Prints JSON that says which libraries of receivers take each of the given deliveries, and which refuse.
//
//   node verify.mjs <<< '[{"body": "…", "headers": {"webhook-id": "…", …}, "secret": "whsec_…"}]'
//
// Gives {standardwebhooks, svix} for each: true, or what the library says against it.
import { text } from "node:stream/consumers";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

const said = ({ body, headers, secret }, Library) => {
  try {
    return new Library(secret).verify(body, headers).specversion === "1.0";
  } catch (error) {
    return error.message;
  }
};

const given = JSON.parse(await text(process.stdin));
const told = given.map((one) => ({ standardwebhooks: said(one, Standard), svix: said(one, Svix) }));
process.stdout.write(JSON.stringify(told));
