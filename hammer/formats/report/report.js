"use strict";
// Before the body is read: laying out thousands of rows and sections takes ten times as long as reading them.
document.documentElement.classList.add("js", "loading");
addEventListener("DOMContentLoaded", () => {
  const PAGE = 100, DETAILS_IN_PRINT = 50;
  document.documentElement.classList.remove("loading");
  // On a phone the charts and filters would stand before the issues: there they are opened by who wants them.
  const phone = matchMedia("(max-width: 600px)"), folded = document.querySelectorAll("#charts, #narrow");
  const fold = () => { for (const each of folded) each.open = !phone.matches; };
  phone.addEventListener("change", fold);
  fold();
  const table = document.getElementById("issues");
  if (!table) return;
  const body = table.tBodies[0];
  const byId = (id) => document.getElementById(id);
  // The document holds only the rows and the section that are shown: a browser, and whatever reads the page aloud, is
  // slow with hundreds of thousands of elements, also with hidden ones.
  const sections = byId("sections"), place = document.createElement("div");
  const articles = new Map([...sections.children].map((article) => [article.id, article]));
  sections.replaceWith(place);
  const search = byId("search"), count = byId("count"), more = byId("more"), sort = byId("sort");
  const LEVELS = ["critical", "high", "medium", "low"], STATUSES = ["open", "exempt", "resolved", "closed"];
  // What a row is filtered and sorted by stands in its cells.
  const read = (row, position) => {
    // A column in which nothing stands is not there.
    const [badges, group, place, open, owner, age, due] = row.cells, text = (cell) => cell.textContent.trim();
    const [severity, status = "open"] = [...badges.children].map(text);
    const who = owner.firstElementChild ? owner.firstElementChild.textContent : "";
    const day = (due ? text(due).slice(0, 10) : "") || "9";
    return {
      row, position, article: articles.get(group.querySelector("a").hash.slice(1)), text: "",
      data: {
        severity, status, verdict: text(open.lastElementChild), account: place.firstElementChild.textContent,
        region: text(place.lastElementChild), owner: who,
        port: open.firstChild.textContent.trim().split(", ").map((port) => (port === "all ports" ? "all" : port)),
      },
      // The worst first, and of those that are alike the first to be due; what is over comes last.
      keys: {
        severity: (status === "open" ? "0" : "1") + LEVELS.indexOf(severity) + day,
        group: text(group).toLowerCase(), account: text(place).toLowerCase(), owner: who.toLowerCase() || "\uffff",
        age: age ? Number(age.textContent.replace(/\D/g, "")) : 0, due: day,
      },
    };
  };
  const rows = [...body.rows].map(read);
  const filters = ["severity", "status", "verdict", "account", "region", "port", "owner"]
    .map((name) => [name, byId("by-" + name)]).filter(([, select]) => select);
  let order = { column: "", step: 1 }, limit = PAGE, found = [];

  // As cards on a narrow screen rows and cells would lose what they are to a screen reader.
  const roles = [["table", [table]], ["rowgroup", [table.tHead, body]], ["row", table.rows],
    ["columnheader", table.tHead.rows[0].cells], ["cell", body.querySelectorAll("td")]];
  for (const [role, elements] of roles) for (const element of elements) element.setAttribute("role", role);

  const matches = (one) => {
    const data = one.data;
    for (const word of search.value.toLowerCase().split(/\s+/)) {
      if (!word) continue;
      one.text ||= (one.row.textContent + " " + one.article.textContent).toLowerCase();
      if (!one.text.includes(word)) return false;
    }
    for (const [name, select] of filters) {
      if (select.selectedIndex === 0) continue;
      if (name === "port" ? !data.port.includes(select.value) : data[name] !== select.value) return false;
    }
    return true;
  };
  const number = (value) => value.toLocaleString("en");
  const show = () => {
    found = rows.filter(matches);
    const shown = found.slice(0, limit);
    body.replaceChildren(...shown.map((one) => one.row));
    const of = found.length === rows.length ? "" : " of " + number(rows.length);
    const kinds = STATUSES.map((status) => [found.filter((one) => one.data.status === status).length, status])
      .filter(([many]) => many).map(([many, status]) => number(many) + " " + status).join(", ");
    count.textContent = number(found.length) + of + (rows.length === 1 ? " issue" : " issues") + (kinds && ": " + kinds)
      + (shown.length < found.length ? "; the first " + number(shown.length) + " shown" : "");
    more.hidden = shown.length === found.length;
  };
  const arrange = (column, step) => {
    order = { column, step };
    const compare = (a, b) => (a.keys[column] < b.keys[column] ? -1 : a.keys[column] > b.keys[column] ? 1 : 0);
    rows.sort((a, b) => step * compare(a, b) || a.position - b.position);
    for (const heading of table.tHead.rows[0].cells) {
      // The worst severity has the lowest rank.
      const down = column === "severity" ? step > 0 : step < 0;
      if (heading.dataset.sort === column) heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    }
    sort.value = column;
    show();
  };
  for (const heading of table.tHead.rows[0].cells) {
    const column = heading.dataset.sort;
    if (!column) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    // The first choice of an age is the oldest, as of a severity the worst.
    const first = column === "age" ? -1 : 1;
    button.addEventListener("click", () => arrange(column, order.column === column ? -order.step : first));
    heading.replaceChildren(button);
  }
  const refresh = () => { limit = PAGE; show(); };
  search.addEventListener("input", refresh);
  for (const [, select] of filters) select.addEventListener("change", refresh);
  sort.addEventListener("change", () => arrange(sort.value, sort.value === "age" ? -1 : 1));
  const clear = () => {
    search.value = "";
    for (const [, select] of filters) select.selectedIndex = 0;
  };
  byId("clear").addEventListener("click", () => { clear(); refresh(); });
  // A number or a bar leads to the list of what it counts, which is what is open but for the exempt.
  const choose = (name, value) => {
    const select = byId("by-" + name);
    if (!select) return;
    select.selectedIndex = Math.max([...select.options].findIndex((option, index) => index > 0 && option.value === value), 0);
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-by]");
    if (!link) return;
    clear();
    choose("status", "open");
    if (link.dataset.by) choose(link.dataset.by, link.dataset.value);
    refresh();
    if (link.dataset.sort) arrange(link.dataset.sort, 1);
  });
  more.addEventListener("click", () => { limit += 10 * PAGE; show(); });
  // A section is shown by its address, so that Back leads to the list; whoever uses the keyboard follows.
  const chosen = () => [articles.get(location.hash.slice(1))].filter(Boolean);
  const follow = () => {
    place.replaceChildren(...chosen());
    for (const article of chosen()) {
      location.replace(location.hash); // its address was followed before it was there
      article.tabIndex = -1;
      article.focus({ preventScroll: true });
      article.scrollIntoView();
    }
  };
  for (const article of articles.values()) {
    const code = article.querySelector("pre");
    if (!code) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    const box = document.createElement("div");
    box.className = "box";
    code.replaceWith(box);
    box.append(button, code);
  }
  document.addEventListener("click", (event) => {
    if (!event.target.matches?.(".copy")) return;
    const button = event.target, code = button.nextElementSibling;
    const told = (text) => { button.textContent = text; setTimeout(() => { button.textContent = "Copy"; }, 2000); };
    const marked = () => { getSelection().selectAllChildren(code); told("Marked: press Ctrl+C"); };
    navigator.clipboard ? navigator.clipboard.writeText(code.textContent).then(() => told("Copied"), marked) : marked();
  });
  // On paper there is nothing to choose: all that is wanted is printed.
  let before = limit;
  addEventListener("beforeprint", () => {
    before = limit;
    limit = Infinity;
    for (const each of folded) each.open = true;
    show();
    if (found.length <= DETAILS_IN_PRINT) place.replaceChildren(...found.map((one) => one.article));
  });
  addEventListener("afterprint", () => {
    limit = before;
    fold();
    show();
    place.replaceChildren(...chosen());
  });
  addEventListener("hashchange", follow);
  arrange("severity", 1);
  follow();
});
