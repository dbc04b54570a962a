// What pages need beyond HTML: theme, copying, local times, live parts. No page needs it to work.
"use strict";

(() => {
  const root = document.documentElement;

  // Theme

  const isDark = () =>
    root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;

  const switchTheme = () => {
    const theme = isDark() ? "light" : "dark";
    root.dataset.theme = theme;
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // It lasts for this page, then.
    }
  };

  // Copying

  const copy = async (button) => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      const area = document.createElement("textarea");
      area.value = button.dataset.copy;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const label = button.getAttribute("aria-label");
    button.dataset.copied = "";
    button.setAttribute("aria-label", "Copied");
    setTimeout(() => {
      delete button.dataset.copied;
      button.setAttribute("aria-label", label);
    }, 1500);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.hasAttribute("data-theme-switch")) switchTheme();
    if (button.dataset.copy !== undefined) copy(button);
  });

  // One box ticks all of its form, and is ticked while all are.

  document.addEventListener("change", ({ target }) => {
    const boxes = [...(target.form?.querySelectorAll("input[name=signatures]") ?? [])];
    const all = target.form?.querySelector("[data-choose-all]");
    if (!all) return;
    if (target === all) boxes.forEach((box) => (box.checked = all.checked));
    else if (boxes.includes(target)) all.checked = boxes.every((box) => box.checked);
  });

  // A form is sent once, however often its button is pressed.

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent !== undefined) event.preventDefault();
    form.dataset.sent = "";
  });
  addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
  });

  // Times: the reader's own clock on the screen, UTC in the title and in print.

  const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

  const ago = (seconds) => {
    if (seconds < -1) return `in ${span(-seconds)}`;
    return seconds < 1 ? "now" : `${span(seconds)} ago`;
  };

  const span = (seconds) => {
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    const hours = Math.floor(seconds / 3600);
    if (hours < 48) {
      const minutes = Math.floor((seconds % 3600) / 60);
      return minutes && hours < 10 ? `${hours} h ${minutes} min` : `${hours} h`;
    }
    return `${Math.floor(hours / 24)} days`;
  };

  const tellTimes = (within) => {
    within.querySelectorAll("time[datetime]").forEach((element) => {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) return;
      const shown = element.querySelector(".clock");
      const today = at.toDateString() === new Date().toDateString();
      const text = today ? clock.format(at) : `${day.format(at)}, ${clock.format(at)}`;
      if (shown && shown.textContent !== text) shown.textContent = text;
      const relative = element.querySelector(".ago");
      const passed = ago((Date.now() - at.getTime()) / 1000);
      if (relative && relative.textContent !== passed) relative.textContent = passed;
    });
  };

  // Live parts: nothing is asked for while nobody looks, and what is open stays open.

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.detail.elt.hasAttribute("data-live")) event.preventDefault();
  });

  document.addEventListener("htmx:configRequest", (event) => {
    const { seen } = event.detail.elt.dataset;
    if (seen) event.detail.parameters.seen = seen;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const seen = event.detail.xhr.getResponseHeader("X-Seen");
    if (seen) event.detail.elt.dataset.seen = seen;
  });

  let open = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    open = [...event.detail.target.querySelectorAll("details[open][id]")].map(({ id }) => id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    open = [];
    tellTimes(document);
  });

  // When the server cannot be reached, what is shown is old and must say so.

  const stale = (is) => root.toggleAttribute("data-stale", is);
  document.addEventListener("htmx:sendError", () => stale(true));
  document.addEventListener("htmx:responseError", () => stale(true));
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) stale(false);
  });

  tellTimes(document);
  setInterval(() => tellTimes(document), 1000);
})();
