// Calls to the host, and their end with the call of the plugin that they belong to.
import * as raw from "jackfield:sandbox/host@1.0.0";
import { PlainError, PlainPromise, PlainRangeError, PlainSet, parse, push, setAdd, setClear, setDelete, setForEach, shift, stringify } from "./primordials.js";

/** Characters of an argument. The host has a bound of its own; beyond this, the engine would stop the whole call. */
const MOST_CHARACTERS = 4 << 20;

const { call: hostCall, sleep: hostSleep, randomBytes: hostRandomBytes, log: hostLog, taint: hostTaint } = raw;

/** The call of the plugin that is under way: `{open, calls, running, waiting}`, or null while a script loads. */
let current = null;
/** Futures that are being read. */
const reading = new PlainSet();

export const begin = (calls) => (current = { open: true, calls, running: 0, waiting: [] });

/** Ends the call: what it left is cancelled, so that nothing of it goes on in the next. */
export const end = () => {
  if (current) current.open = false;
  current = null;
  setForEach(reading, cancel);
  setClear(reading);
};

export const currentCall = () => current;

const cancel = (future) => {
  // A future whose value has just come can be neither cancelled nor dropped twice.
  try { future.cancelRead(); } catch {}
  try { future.drop(); } catch {}
};

/** Cancels a future that is being read: what it stands for ends. */
const stop = (future) => {
  if (setDelete(reading, future)) cancel(future);
};

const read = async (future) => {
  setAdd(reading, future);
  try {
    return await future.read();
  } finally {
    setDelete(reading, future);
  }
};

/** Waits for a free place among the calls that the host takes at once. */
const place = (call) => {
  if (call.running < call.calls) {
    call.running++;
    return undefined;
  }
  return new PlainPromise((resolve) => push(call.waiting, resolve));
};

const release = (call) => {
  const next = shift(call.waiting);
  if (next) next();
  else call.running--;
};

/**
 * Does `operation` for `call`; answers its value or throws an Error with the host's sentence. `abort`, if there is one, gets a
 * `now` by which it is given up.
 */
export const ask = async (call, operation, argument, abort) => {
  // Made while the author's code is on the stack, for the line that it tells.
  const failure = new PlainError();
  const json = stringify(argument);
  if (json.length > MOST_CHARACTERS) throw new PlainRangeError(`at most ${MOST_CHARACTERS} characters are handed to ${operation}: hand over less`);
  await place(checked(call, operation));
  try {
    checked(call, operation);
    if (abort?.isAborted) throw failure;
    const future = hostCall(operation, json);
    if (abort) abort.now = () => stop(future);
    const result = await read(future);
    if (result.tag === "err") {
      failure.message = result.val;
      throw failure;
    }
    return parse(result.val);
  } finally {
    release(call);
  }
};

const checked = (call, operation) => {
  if (!call) throw new PlainError(`${operation} is not to be had while the script loads: call it in a handler`);
  if (!call.open) throw new PlainError(`${operation} was called through the ctx of a call that has ended: use the ctx of this one`);
  return call;
};

/** Throws unless a call is under way. */
export const withinCall = (what) => checked(current, what);

/** A pause that can be given up; `passed` tells whether it was not. */
export const pause = (milliseconds) => {
  const call = checked(current, "a timer");
  const future = hostSleep(milliseconds);
  let isGivenUp = false;
  const passed = (async () => {
    let result;
    try {
      result = await read(future);
    } catch (error) {
      // A read that was cancelled fails.
      if (isGivenUp || !call.open) return false;
      throw error;
    }
    if (result?.tag === "err") throw new PlainRangeError(result.val);
    return call.open && !isGivenUp;
  })();
  const giveUp = () => {
    isGivenUp = true;
    stop(future);
  };
  return { passed, giveUp };
};

export const randomBytes = (count) => hostRandomBytes(count);
export const taint = () => hostTaint();
export const log = (level, message) => hostLog(level, message);
