"use strict";
// A served page is read again when there is a newer one.
(() => {
  const asked = async () => (await fetch("leaderboard.html", { method: "HEAD", cache: "no-store" })).headers.get("ETag");
  let first = null;
  setInterval(async () => {
    try {
      const now = await asked();
      if (first && now && now !== first) location.reload();
      first ??= now;
    } catch {
      // the server has ended: what is shown stays
    }
  }, 2000);
})();
