/** What the server did with a statement; `misread`: it could not read it as SQL; `asked`: that is not known yet. */
export type Outcome = 'accepted' | 'refused' | 'misread' | 'asked'
