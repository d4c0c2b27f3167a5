/** The course of a case and the drawing of the process. */
import { useQuery } from '@tanstack/react-query';
import { api } from '../../../api/client';
import type { Schema } from '../../../api/types';
import { caseKeys } from '../api';

export type Course = Schema<'Course'>;
export type Step = Schema<'StepAnswer'>;
export type Requirement = Schema<'RequirementAnswer'>;
export type Process = Schema<'ProcessAnswer'>;

export function useCourse(id: string) {
  return useQuery({
    queryKey: caseKeys.part(id, 'course'),
    queryFn: ({ signal }) => api.get<Course>(`cases/${id}/course`, undefined, signal),
  });
}

/** The same for every case and until the next version of the server. */
export function useProcess() {
  return useQuery({
    queryKey: ['process'],
    queryFn: ({ signal }) => api.get<Process>('process', undefined, signal),
    staleTime: Infinity,
  });
}
