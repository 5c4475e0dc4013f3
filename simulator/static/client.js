// The live part of a person's chats: fetched again every second and a half, and pressed without leaving the page.
// Without this file everything still works by reloading.
"use strict";

const live = document.getElementById("live");
const hint = document.getElementById("hint");
const PERIOD = 1500;
const TOAST_PERIOD = 6000;
let etag = "";
let pressing = false;

function isBusy() {
  const focused = live.contains(document.activeElement) ? document.activeElement.tagName : "";
  const isHeld = live.querySelector(":active") !== null; // replaced before it is let go, a button would not be pressed
  return pressing || isHeld || live.querySelector("details.menu[open]") !== null || ["SELECT", "INPUT", "TEXTAREA"].includes(focused);
}

function show(html) {
  const before = document.getElementById("messages");
  const wasAtEnd = !before || before.scrollHeight - before.scrollTop - before.clientHeight < 60;
  const top = before ? before.scrollTop : 0;
  const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
  live.innerHTML = html;
  const after = document.getElementById("messages");
  if (after) after.scrollTop = wasAtEnd ? after.scrollHeight : top;
  if (focused) document.getElementById(focused)?.focus();
}

async function refresh() {
  const response = await fetch(live.dataset.source, { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
  if (response.status !== 200) return;
  const html = await response.text();
  if (isBusy()) return;
  etag = response.headers.get("ETag") || "";
  show(html);
}

function say(problem, toast) {
  hint.replaceChildren();
  if (problem) add("flash error", problem);
  if (!toast) return;
  const shown = add(`flash toast ${toast.type}`, toast.content);
  setTimeout(() => shown.remove(), TOAST_PERIOD);
}

function add(kind, text) {
  const line = document.createElement("p");
  line.className = kind;
  line.textContent = text;
  hint.append(line);
  return line;
}

async function press(form, button) {
  const body = new FormData(form);
  body.append("key", button.value);
  pressing = true;
  button.setAttribute("aria-busy", "true");
  form.querySelectorAll("button").forEach((other) => { other.disabled = true; });
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { "X-Requested-With": "fetch" } });
    const { problem, toast } = await response.json();
    say(problem, toast);
  } catch {
    say(live.dataset.failed);
  }
  pressing = false;
  etag = "";
  live.querySelectorAll("details.menu[open]").forEach((menu) => { menu.open = false; });
  await refresh().catch(() => {});
}

live.addEventListener("submit", (event) => {
  if (!event.target.matches("form.press") || !event.submitter) return;
  event.preventDefault();
  press(event.target, event.submitter);
});

const messages = document.getElementById("messages");
if (messages) messages.scrollTop = messages.scrollHeight;
setInterval(() => { if (!document.hidden && !isBusy()) refresh().catch(() => {}); }, PERIOD);
