// How parts of a page are replaced.
// What is asked of one part is asked in order, each with the answer to the one before in place: two presses, one right
// after the other, both count, and what the page shows is what came of both.
// A part that keeps itself true waits while somebody is at work in it: boxes ticked, a field in use, a form unfolded.
// Nothing is replaced under a finger: a button that is replaced before it is let go was never pressed.
// And where an answer leads elsewhere, the page goes there once: asked and answered again on the way, it would go there
// a second time, over what its reader has done by then.
(() => {
  const FIELDS = ":is(input:not([readonly]), textarea:not([readonly]), select):focus"; // an address to copy is no field
  const PRESS_MS = 100; // a touch is a press only some time after the finger is gone

  let isLeaving = false;
  let isHeld = false; // a finger is down, or the main button
  let release; // of what was held, in a moment
  const onceLetGo = [];

  const letGo = () => {
    isHeld = false;
    for (const go of onceLetGo.splice(0)) go();
  };

  const letGoIn = (milliseconds) => {
    clearTimeout(release);
    release = setTimeout(letGo, milliseconds);
  };

  const untilLetGo = () => isHeld && new Promise((go) => onceLetGo.push(go));

  window.addEventListener("pointerdown", (event) => {
    clearTimeout(release);
    isHeld = event.button === 0;
  });
  window.addEventListener("pointerup", () => letGoIn(PRESS_MS));
  window.addEventListener("click", () => letGoIn(0)); // once all that the press sets going is done
  window.addEventListener("pointercancel", letGo);
  window.addEventListener("pointermove", (event) => {
    if (event.buttons === 0) letGo(); // let go where no page heard of it: outside, or on a menu of the browser
  });

  const isPoll = (part) => /^every /.test(part.getAttribute("hx-trigger") ?? "");

  const isChanged = (box) => box.checked !== box.defaultChecked;

  const inUse = (part) =>
    [...part.querySelectorAll("input[type=checkbox]")].some(isChanged) ||
    part.querySelector("details[open] form, details[open] pre") !== null ||
    part.querySelector(FIELDS) !== null ||
    isHeld;

  let asked = 0; // by people, of any part
  const underWay = new Map(); // by part, what was asked of it last: until it has been answered and shown

  const mustWait = (ctx) => isPoll(ctx.sourceElement) && (isLeaving || inUse(ctx.sourceElement) || underWay.size > 0);

  const askInOrder = (ctx) => {
    const part = ctx.target?.id || ctx.target;
    const before = underWay.get(part);
    const shown = new Promise((done) => {
      ctx.endTurn = () => {
        if (underWay.get(part) === shown) underWay.delete(part);
        done();
      };
    });
    underWay.set(part, shown);
    ctx.fetch = async (...question) => {
      await before;
      const answer = await window.fetch(...question);
      await untilLetGo();
      return answer;
    };
  };

  // The part was replaced since it was asked: the answer belongs to what stands there now.
  const findAgain = (ctx) => {
    if (ctx.target?.isConnected === false && ctx.target.id) {
      ctx.target = document.getElementById(ctx.target.id) ?? ctx.target;
    }
    if (!ctx.sourceElement.isConnected && ctx.target?.isConnected) ctx.sourceElement = ctx.target;
  };

  document.addEventListener("htmx:before:request", (event) => {
    const ctx = event.detail.ctx;
    if (mustWait(ctx)) {
      event.preventDefault();
    } else if (isPoll(ctx.sourceElement)) {
      ctx.askedBefore = asked;
    } else {
      asked += 1;
      askInOrder(ctx);
    }
  });

  document.addEventListener("htmx:after:request", (event) => {
    const ctx = event.detail.ctx;
    if (mustWait(ctx) || (ctx.askedBefore ?? asked) !== asked) {
      event.preventDefault(); // it may tell of the time before a press
      return;
    }
    if (ctx.endTurn) findAgain(ctx);
    // A whole page in answer to htmx: to the sign-in page, or on after saving.
    const isPage = /^\s*<!doctype/i.test(ctx.text ?? "") && ctx.response.raw.redirected;
    isLeaving ||= isPage || Boolean(ctx.hx.redirect);
    if (!isPage) return;
    event.preventDefault();
    window.location.assign(ctx.response.raw.url);
  });

  document.addEventListener("htmx:finally:request", (event) => event.detail.ctx.endTurn?.());

  window.addEventListener("pageshow", () => {
    isLeaving = false;
  });
})();
