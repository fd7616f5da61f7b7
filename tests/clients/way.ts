// The shortest way through the system: a citizen grants, a case moves, an employee is told, the citizen withdraws.
import createClient from "openapi-fetch";
import type { components as advisParts, paths as advisPaths } from "./advis.ts";
import type { components as consentParts, paths as consentPaths } from "./consent.ts";

type CaseEvent = advisParts["schemas"]["CaseEventDocument"];
type Consent = consentParts["schemas"]["GrantRequest"];
type Notification = advisParts["schemas"]["InboxItem"];

export interface Answer<T> {
  data?: T;
  error?: { title: string; detail?: string };
}

/** What the call answered. Throws the problem's title where it was refused. */
function held<T>(answer: Answer<T>): T {
  if (answer.data === undefined) throw new Error(answer.error?.title ?? "no answer");
  return answer.data;
}

function bearing(token: string): { Authorization: string } {
  return { Authorization: `Bearer ${token}` };
}

export class Citizen {
  private readonly consent;
  constructor(url: string, token: string, private readonly borgerId: string) {
    this.consent = createClient<consentPaths>({ baseUrl: url, headers: bearing(token) });
  }

  async grants(consent: Consent, key: string): Promise<string> {
    const path = { borger_id: this.borgerId };
    const header = { "Idempotency-Key": key };
    const answer = await this.consent.POST("/v1/citizens/{borger_id}/consents", { params: { path, header }, body: consent });
    return held(answer).consent.consent_id;
  }

  async withdraws(consentId: string): Promise<boolean> {
    const path = { borger_id: this.borgerId, consent_id: consentId };
    const answer = await this.consent.POST("/v1/citizens/{borger_id}/consents/{consent_id}:withdraw", { params: { path } });
    return held(answer).status === "drained";
  }
}

export class SourceSystem {
  private readonly advis;
  constructor(url: string, token: string) {
    this.advis = createClient<advisPaths>({ baseUrl: url, headers: bearing(token) });
  }

  async reports(event: CaseEvent): Promise<readonly string[]> {
    const headers = { "Content-Type": "application/cloudevents+json" };
    return held(await this.advis.POST("/v1/case-events", { body: event, headers })).accepted;
  }
}

export class Employee {
  private readonly advis;
  constructor(url: string, token: string) {
    this.advis = createClient<advisPaths>({ baseUrl: url, headers: bearing(token) });
  }

  async inbox(): Promise<readonly Notification[]> {
    return held(await this.advis.GET("/v1/inbox")).items;
  }
}
