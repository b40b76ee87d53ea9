/* Order of search results: pages of the guide before the reference, the reference before papers of the project. */
var Scorer = {
  score: ([page, title, anchor, description, score]) => {
    if (page.startsWith("docs/api/generated")) return score - 14;
    if (page.startsWith("docs/api/")) return score - 8;
    if (!page.startsWith("docs/") || page.startsWith("docs/mut")) return score - 12;
    return score;
  },
  /* The rest is the default of Sphinx. */
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
