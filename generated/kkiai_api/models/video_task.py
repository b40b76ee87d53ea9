from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Generator, TextIO, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="VideoTask")


@_attrs_define
class VideoTask:
    """The state of a video task.

    Attributes:
        id (None | str | Unset): The gateway's id for the task. It may differ from the id in the query.
        status (None | str | Unset): A word for the state of the task. New words may be added; an unknown one is not
            final.
        video_url (None | str | Unset): The URL of the finished video, valid for a limited time; null until there is
            one.
        enhanced_prompt (None | str | Unset): The prompt as rewritten by the service. It may have several lines.
        status_update_time (int | None | Unset): When the status last changed, in milliseconds since
            1970-01-01T00:00:00Z.
    """

    id: None | str | Unset = UNSET
    status: None | str | Unset = UNSET
    video_url: None | str | Unset = UNSET
    enhanced_prompt: None | str | Unset = UNSET
    status_update_time: int | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id: None | str | Unset
        if isinstance(self.id, Unset):
            id = UNSET
        else:
            id = self.id

        status: None | str | Unset
        if isinstance(self.status, Unset):
            status = UNSET
        else:
            status = self.status

        video_url: None | str | Unset
        if isinstance(self.video_url, Unset):
            video_url = UNSET
        else:
            video_url = self.video_url

        enhanced_prompt: None | str | Unset
        if isinstance(self.enhanced_prompt, Unset):
            enhanced_prompt = UNSET
        else:
            enhanced_prompt = self.enhanced_prompt

        status_update_time: int | None | Unset
        if isinstance(self.status_update_time, Unset):
            status_update_time = UNSET
        else:
            status_update_time = self.status_update_time

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if id is not UNSET:
            field_dict["id"] = id
        if status is not UNSET:
            field_dict["status"] = status
        if video_url is not UNSET:
            field_dict["video_url"] = video_url
        if enhanced_prompt is not UNSET:
            field_dict["enhanced_prompt"] = enhanced_prompt
        if status_update_time is not UNSET:
            field_dict["status_update_time"] = status_update_time

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        id = _parse_id(d.pop("id", UNSET))

        def _parse_status(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        status = _parse_status(d.pop("status", UNSET))

        def _parse_video_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        video_url = _parse_video_url(d.pop("video_url", UNSET))

        def _parse_enhanced_prompt(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        enhanced_prompt = _parse_enhanced_prompt(d.pop("enhanced_prompt", UNSET))

        def _parse_status_update_time(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        status_update_time = _parse_status_update_time(
            d.pop("status_update_time", UNSET)
        )

        video_task = cls(
            id=id,
            status=status,
            video_url=video_url,
            enhanced_prompt=enhanced_prompt,
            status_update_time=status_update_time,
        )

        video_task.additional_properties = d
        return video_task

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
